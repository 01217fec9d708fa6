{#
    The steps that give a role what its definition in account_roles says, and nothing else.
    role: its full name. A right on future relations is given together with the same right on existing ones.
#}
{% macro _grants(database, role, right) -%}
    {%- set steps = [nightbook._grant('usage', 'database', database, role)] -%}
    {%- for schema in nightbook._schemas_used(right) -%}
        {%- do steps.append(nightbook._grant('usage', 'schema', database ~ '.' ~ schema, role)) -%}
    {%- endfor -%}
    {%- for schema in right.builds -%}
        {%- for kind in ('table', 'view', 'stage', 'function', 'file format') -%}
            {%- do steps.append(nightbook._grant('create ' ~ kind, 'schema', database ~ '.' ~ schema, role)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for schema in right.reads -%}
        {%- for kind in ('table', 'view') -%}
            {%- do steps.extend(nightbook._grant_in_schema('select', kind, database ~ '.' ~ schema, role)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for schema in right.lands -%}
        {%- for privilege in ('select', 'insert') -%}
            {%- do steps.extend(nightbook._grant_in_schema(privilege, 'table', database ~ '.' ~ schema, role)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for table, privileges in right.get('adds', {}).items() -%}
        {%- for privilege in privileges -%}
            {%- do steps.append(nightbook._grant(privilege, 'table', database ~ '.' ~ table, role)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for stage, privileges in right.stages.items() -%}
        {%- for privilege in privileges -%}
            {%- do steps.append(nightbook._grant(privilege, 'stage', database ~ '.' ~ stage, role)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- for warehouse in right.warehouses -%}
        {%- do steps.append(nightbook._grant('usage', 'warehouse', database ~ '_' ~ warehouse, role)) -%}
    {%- endfor -%}
    {%- if right.registry -%}
        {%- do steps.append(nightbook._grant('usage', 'integration', database ~ '_MLFLOW', role)) -%}
        {%- do steps.append(nightbook._grant('read', 'secret', database ~ '.CODE.MLFLOW_TOKEN', role)) -%}
        {%- do steps.append({
            'key': 'GRANT USAGE ON DATABASE_ROLE SNOWFLAKE.PYPI_REPOSITORY_USER TO ' ~ role, 'by': 'accountadmin',
            'sql': 'grant database role snowflake.pypi_repository_user to role ' ~ role,
        }) -%}
    {%- endif -%}
    {%- for other in right.inherits -%}
        {%- do steps.append(nightbook._grant_role(database ~ '_' ~ other | upper, role)) -%}
    {%- endfor -%}
    {%- if right.granted_to -%}
        {%- do steps.append(nightbook._grant_role(role, right.granted_to | upper)) -%}
    {%- endif -%}
    {{ return(steps) }}
{%- endmacro %}

{# Schemas on which a role needs usage, by its definition. #}
{% macro _schemas_used(right) -%}
    {%- set schemas = right.builds + right.reads + right.lands + (['code'] if right.registry else []) -%}
    {%- for stage in right.stages -%}
        {%- do schemas.append(stage.split('.')[0]) -%}
    {%- endfor -%}
    {{ return(schemas | unique | sort) }}
{%- endmacro %}

{# One right on one object. #}
{% macro _grant(privilege, kind, name, role) -%}
    {{ return({
        'key': ('GRANT ' ~ privilege ~ ' ON ' ~ kind ~ ' ' ~ name ~ ' TO ' ~ role) | upper, 'by': 'securityadmin',
        'sql': 'grant ' ~ privilege ~ ' on ' ~ kind ~ ' ' ~ name | upper ~ ' to role ' ~ role,
    }) }}
{%- endmacro %}

{#
    One right on all objects of a kind in a schema, future ones included. Both grants share a key, as they are given
    together.
#}
{% macro _grant_in_schema(privilege, kind, schema, role) -%}
    {%- set steps = [] -%}
    {%- for which in ('all', 'future') -%}
        {%- do steps.append({
            'key': ('GRANT ' ~ privilege ~ ' ON FUTURE ' ~ kind ~ ' IN ' ~ schema ~ ' TO ' ~ role) | upper,
            'by': 'securityadmin',
            'sql': 'grant ' ~ privilege ~ ' on ' ~ which ~ ' ' ~ kind ~ 's in schema ' ~ schema | upper ~ ' to role ' ~ role,
        }) -%}
    {%- endfor -%}
    {{ return(steps) }}
{%- endmacro %}

{# One role given to another. #}
{% macro _grant_role(role, to) -%}
    {{ return({
        'key': 'GRANT ROLE ' ~ role ~ ' TO ' ~ to, 'by': 'securityadmin',
        'sql': 'grant role ' ~ role ~ ' to role ' ~ to,
    }) }}
{%- endmacro %}
