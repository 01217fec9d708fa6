{#
    Everything that the Snowflake account must hold, in an order in which it can be created: a list of steps.
      key   what the step creates, as account_state names it
      by    the system role that creates and owns it
      sql   one statement
    A step is left out where its key exists, so that later changes by others stay as they are.
#}
{% macro account_plan(registry_host, credit_quota, masking) -%}
    {%- set database, steps = target.database | upper, [] -%}
    {%- set schemas = nightbook._account_schemas() -%}
    {%- set roles = account_roles(schemas.built) -%}
    {%- do steps.extend(nightbook._containers(database, schemas, credit_quota)) -%}
    {%- for role, right in roles.items() -%}
        {%- set name = database ~ '_' ~ role | upper -%}
        {%- do steps.append({
            'key': 'ROLE ' ~ name, 'by': 'useradmin',
            'sql': "create role if not exists " ~ name ~ ' comment = ' ~ text_literal(right.is_for),
        }) -%}
    {%- endfor -%}
    {%- do steps.extend(nightbook._landing_steps(database, masking)) -%}
    {%- do steps.extend(nightbook._record_steps(database)) -%}
    {%- do steps.extend(nightbook._registry_steps(database, registry_host)) -%}
    {%- for role, right in roles.items() -%}
        {%- do steps.extend(nightbook._grants(database, database ~ '_' ~ role | upper, right)) -%}
    {%- endfor -%}
    {{ return(steps) }}
{%- endmacro %}

{# Schemas of the project. `built`: of its models, seeds, snapshots and hooks. `all`: with raw and code. #}
{% macro _account_schemas() -%}
    {%- set built = [target.schema, 'audit'] -%}
    {%- for node in graph.nodes.values() if node.resource_type in ('model', 'seed', 'snapshot') and node.schema != 'raw' -%}
        {%- do built.append(node.schema) -%}
    {%- endfor -%}
    {%- set built = built | unique | sort -%}
    {{ return({'built': built, 'all': built + ['code', 'raw']}) }}
{%- endmacro %}

{#
    Database, schemas, warehouses and stages. The pipeline owns the relations. In a schema with managed access it cannot
    grant rights on them to anybody.
#}
{% macro _containers(database, schemas, credit_quota) -%}
    {%- set steps = [{
        'key': 'RESOURCE MONITOR ' ~ database, 'by': 'accountadmin',
        'sql': 'create resource monitor if not exists ' ~ database ~ ' with credit_quota = ' ~ credit_quota
            ~ ' frequency = monthly start_timestamp = immediately'
            ~ ' triggers on 75 percent do notify on 100 percent do suspend on 110 percent do suspend_immediate',
    }] -%}
    {%- for warehouse, one in account_warehouses().items() -%}
        {%- set name = database ~ '_' ~ warehouse | upper -%}
        {%- do steps.append({
            'key': 'WAREHOUSE ' ~ name, 'by': 'sysadmin',
            'sql': 'create warehouse if not exists ' ~ name ~ " warehouse_type = '" ~ one.type ~ "' warehouse_size = '"
                ~ one.size ~ "' auto_suspend = 60 auto_resume = true initially_suspended = true"
                ~ ' statement_timeout_in_seconds = 7200 statement_queued_timeout_in_seconds = 1800'
                ~ ' comment = ' ~ text_literal(one.is_for),
        }) -%}
        {%- do steps.append({
            'key': 'MONITOR OF WAREHOUSE ' ~ name, 'by': 'accountadmin',
            'sql': 'alter warehouse ' ~ name ~ ' set resource_monitor = ' ~ database,
        }) -%}
    {%- endfor -%}
    {%- do steps.append({
        'key': 'DATABASE ' ~ database, 'by': 'sysadmin', 'sql': 'create database if not exists ' ~ database,
    }) -%}
    {%- for schema in schemas.all -%}
        {%- set name = database ~ '.' ~ schema | upper -%}
        {%- do steps.append({
            'key': 'SCHEMA ' ~ name, 'by': 'sysadmin',
            'sql': 'create schema if not exists ' ~ name ~ ' with managed access',
        }) -%}
    {%- endfor -%}
    {%- for stage in ('code.library', 'raw.landing') -%}
        {%- set name = database ~ '.' ~ stage | upper -%}
        {%- do steps.append({
            'key': 'STAGE ' ~ name, 'by': 'sysadmin', 'sql': 'create stage if not exists ' ~ name,
        }) -%}
    {%- endfor -%}
    {{ return(steps) }}
{%- endmacro %}

{#
    The landing tables, and masks on the columns that the landing contract marks as personal. An administrator owns the
    tables, so that the pipeline can add rows and cannot change what has landed. The masks apply to every reader.
#}
{% macro _landing_steps(database, masking) -%}
    {%- set tables, masks, types = [], [], {} -%}
    {%- for source in graph.sources.values() | sort(attribute='name') if source.source_name == 'raw' -%}
        {%- set table, columns = (database ~ '.RAW.' ~ source.identifier) | upper, [] -%}
        {%- for column in source.columns.values() -%}
            {#- In some Snowflake accounts the plain word means another kind of timestamp. -#}
            {%- do columns.append(column.name ~ ' ' ~ {'timestamp': 'timestamp_ntz'}.get(column.data_type, column.data_type)) -%}
            {%- if column.meta.is_personal and masking -%}
                {%- do types.update({column.data_type: column.meta.needed_by_pipeline or types.get(column.data_type, false)}) -%}
                {%- do masks.append({
                    'key': 'MASK ON ' ~ table ~ '.' ~ column.name | upper, 'by': 'sysadmin',
                    'sql': 'alter table ' ~ table ~ ' modify column ' ~ column.name ~ ' set masking policy '
                        ~ database ~ '.CODE.PERSONAL_' ~ column.data_type | upper,
                }) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do tables.append({
            'key': 'TABLE ' ~ table, 'by': 'sysadmin',
            'sql': 'create table if not exists ' ~ table ~ ' (' ~ columns | join(', ') ~ ')',
        }) -%}
    {%- endfor -%}
    {%- set policies = [] -%}
    {%- for data_type, pipeline_reads in types.items() -%}
        {%- do policies.append(nightbook._masking_policy(database, data_type, pipeline_reads)) -%}
    {%- endfor -%}
    {{ return(tables + policies + masks) }}
{%- endmacro %}

{# The tables of the record. An administrator owns them, so that those who build or approve can only add rows. #}
{% macro _record_steps(database) -%}
    {%- set steps = [] -%}
    {%- for table, columns in record_tables().items() -%}
        {%- set name, typed = (database ~ '.' ~ table) | upper, [] -%}
        {%- for column, data_type in columns.items() -%}
            {%- do typed.append(column ~ ' ' ~ {'timestamp': 'timestamp_ntz'}.get(data_type, data_type)) -%}
        {%- endfor -%}
        {%- do steps.append({
            'key': 'TABLE ' ~ name, 'by': 'sysadmin',
            'sql': 'create table if not exists ' ~ name ~ ' (' ~ typed | join(', ') ~ ')',
        }) -%}
    {%- endfor -%}
    {{ return(steps) }}
{%- endmacro %}

{#
    A mask leaves null as null, so that readers of masked values can measure shares of missing values. It checks the
    primary role alone. A session may have secondary roles by default, and these must not reveal anything.
#}
{% macro _masking_policy(database, data_type, pipeline_reads) -%}
    {%- set readers = [database ~ '_PERSONAL_DATA'] + ([database ~ '_PIPELINE'] if pipeline_reads else []) -%}
    {%- set name = database ~ '.CODE.PERSONAL_' ~ data_type | upper -%}
    {%- set masked = {'varchar': "'*****'", 'date': "to_date('1900-01-01')"}[data_type] -%}
    {{ return({
        'key': 'MASKING POLICY ' ~ name, 'by': 'sysadmin',
        'sql': 'create masking policy if not exists ' ~ name ~ ' as (value ' ~ data_type ~ ') returns ' ~ data_type
            ~ " -> case when value is null or current_role() in ('" ~ readers | join("', '") ~ "') then value else "
            ~ masked ~ ' end',
    }) }}
{%- endmacro %}

{#
    The network access from a procedure to the MLflow server, and to nothing else. Also the packages of PyPI, which
    dbt-snowflake cannot name in a model. The secret is created without a token. An administrator sets the token where
    no dbt log shows it.
#}
{% macro _registry_steps(database, registry_host) -%}
    {%- set rule, secret = database ~ '.CODE.MLFLOW', database ~ '.CODE.MLFLOW_TOKEN' -%}
    {{ return([
        {
            'key': 'NETWORK RULE ' ~ rule, 'by': 'sysadmin',
            'sql': 'create network rule if not exists ' ~ rule ~ ' mode = egress type = host_port value_list = ('
                ~ text_literal(registry_host) ~ ')',
        },
        {
            'key': 'SECRET ' ~ secret, 'by': 'sysadmin',
            'sql': 'create secret if not exists ' ~ secret ~ " type = generic_string secret_string = 'unset'",
        },
        {
            'key': 'INTEGRATION ' ~ database ~ '_MLFLOW', 'by': 'accountadmin',
            'sql': 'create external access integration if not exists ' ~ database ~ '_MLFLOW allowed_network_rules = ('
                ~ rule ~ ') allowed_authentication_secrets = (' ~ secret ~ ') enabled = true',
        },
        {
            'key': 'PARAMETER DEFAULT_PYTHON_ARTIFACT_REPOSITORY OF ' ~ database, 'by': 'accountadmin',
            'sql': 'alter database ' ~ database
                ~ ' set default_python_artifact_repository = snowflake.snowpark.pypi_shared_repository',
        },
    ]) }}
{%- endmacro %}
