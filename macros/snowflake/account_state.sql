{#
    What the Snowflake account holds of a plan, as keys like those of account_plan. It uses only SHOW and DESCRIBE,
    which need no warehouse, because before the first bootstrap there is none.
    plan: its steps. Objects with other names are not looked for.
#}
{% macro account_state(plan) -%}
    {%- set database = target.database | upper -%}
    {%- set keys = nightbook._shown('show resource monitors', 'RESOURCE MONITOR', ['name'])
        + nightbook._shown('show warehouses', 'WAREHOUSE', ['name'])
        + nightbook._shown('show databases', 'DATABASE', ['name'])
        + nightbook._shown('show roles', 'ROLE', ['name'])
        + nightbook._shown('show integrations', 'INTEGRATION', ['name']) -%}
    {%- for row in run_query('show warehouses').rows if row['resource_monitor'] | upper == database -%}
        {%- do keys.append('MONITOR OF WAREHOUSE ' ~ row['name']) -%}
    {%- endfor -%}
    {%- if 'DATABASE ' ~ database in keys -%}
        {%- do keys.extend(nightbook._in_database(database, plan)) -%}
    {%- endif -%}
    {%- for step in plan if step.key.startswith('ROLE ') and step.key in keys -%}
        {%- do keys.extend(nightbook._rights_of(step.key[5:])) -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}

{# What the database holds: schemas and their objects, masks on columns, and the source of Python packages. #}
{% macro _in_database(database, plan) -%}
    {%- set inside, full = ' in database ' ~ database, ['database_name', 'schema_name', 'name'] -%}
    {%- set keys = nightbook._shown('show schemas' ~ inside, 'SCHEMA', ['database_name', 'name'])
        + nightbook._shown('show stages' ~ inside, 'STAGE', full)
        + nightbook._shown('show tables' ~ inside, 'TABLE', full)
        + nightbook._shown('show masking policies' ~ inside, 'MASKING POLICY', full)
        + nightbook._shown('show network rules' ~ inside, 'NETWORK RULE', full)
        + nightbook._shown('show secrets' ~ inside, 'SECRET', full) -%}
    {%- for row in run_query("show parameters like 'DEFAULT_PYTHON_ARTIFACT_REPOSITORY'" ~ inside).rows
        if (row['value'] or '') | lower == 'snowflake.snowpark.pypi_shared_repository' -%}
        {%- do keys.append('PARAMETER DEFAULT_PYTHON_ARTIFACT_REPOSITORY OF ' ~ database) -%}
    {%- endfor -%}
    {%- for step in plan if step.key.startswith('TABLE ') and step.key in keys -%}
        {%- set table = step.key[6:] -%}
        {%- for row in run_query('describe table ' ~ table).rows if row['policy name'] -%}
            {%- do keys.append('MASK ON ' ~ table ~ '.' ~ row['name']) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}

{# The rights that a role has, and the roles that have it. #}
{% macro _rights_of(role) -%}
    {%- set keys = [] -%}
    {%- for row in run_query('show grants to role ' ~ role).rows -%}
        {%- do keys.append(('GRANT ' ~ row['privilege'] ~ ' ON ' ~ row['granted_on'] ~ ' ' ~ row['name'] ~ ' TO ' ~ role) | upper) -%}
    {%- endfor -%}
    {%- for row in run_query('show future grants to role ' ~ role).rows -%}
        {%- set schema = row['name'].rsplit('.', 1)[0] -%}
        {%- do keys.append(('GRANT ' ~ row['privilege'] ~ ' ON FUTURE ' ~ row['grant_on'] ~ ' IN ' ~ schema ~ ' TO ' ~ role) | upper) -%}
    {%- endfor -%}
    {%- for row in run_query('show grants of role ' ~ role).rows if row['granted_to'] == 'ROLE' -%}
        {%- do keys.append('GRANT ROLE ' ~ role ~ ' TO ' ~ row['grantee_name'] | upper) -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}

{# A key for each row of a SHOW statement: the kind, and the parts of the name. #}
{% macro _shown(statement, kind, parts) -%}
    {%- set keys = [] -%}
    {%- for row in run_query(statement).rows -%}
        {%- set name = [] -%}
        {%- for part in parts -%}
            {%- do name.append(row[part]) -%}
        {%- endfor -%}
        {%- do keys.append((kind ~ ' ' ~ name | join('.')) | upper) -%}
    {%- endfor -%}
    {{ return(keys) }}
{%- endmacro %}
