{#
    Creates what the Snowflake account lacks, and prints it. Run it as ACCOUNTADMIN. Each object is created in the role
    that will own it:
      NIGHTBOOK_TARGET=snowflake SNOWFLAKE_ROLE=ACCOUNTADMIN dbt run-operation bootstrap_snowflake
    With dry_run it prints all SQL and asks the Snowflake account nothing.
#}
{% macro bootstrap_snowflake(dry_run=false, credit_quota=100, masking=true) %}
    {%- if target.type != 'snowflake' -%}
        {{ exceptions.raise_compiler_error(
            'bootstrap_snowflake: the target is ' ~ target.name ~ '. Set NIGHTBOOK_TARGET=snowflake and the Snowflake account.'
        ) }}
    {%- endif -%}
    {%- set plan = account_plan(nightbook._registry_host(), credit_quota | int, masking) -%}
    {%- set existing = [] if dry_run else account_state(plan) -%}
    {%- set roles, missing = [], [] -%}
    {%- for step in plan if step.key not in existing -%}
        {%- do missing.append(step) -%}
    {%- endfor -%}
    {%- for step in missing -%}
        {%- for sql in ([] if roles[-1:] == [step.by] else ['use role ' ~ step.by]) + [step.sql] -%}
            {%- if dry_run -%}
                {%- do print(sql ~ ';') -%}
            {%- else -%}
                {%- do run_query(sql) -%}
            {%- endif -%}
        {%- endfor -%}
        {%- do roles.append(step.by) -%}
        {%- if not dry_run -%}
            {%- do print('made: ' ~ step.sql) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if not dry_run -%}
        {%- set name = target.database | upper ~ ' of account ' ~ target.account -%}
        {%- do print(
            'bootstrap_snowflake: ' ~ name ~ (
                ': ' ~ missing | length ~ ' of ' ~ plan | length ~ ' steps were missing and are now done' if missing
                else ' has all ' ~ plan | length ~ ' steps; nothing was changed'
            )
        ) -%}
    {%- endif -%}
{% endmacro %}

{# host:port of the MLflow server that procedures may reach, from MLFLOW_TRACKING_URI. #}
{% macro _registry_host() -%}
    {%- set address = modules.re.match('(https?)://(?:[^/@]*@)?([^/:]+)(?::([0-9]+))?', env_var('MLFLOW_TRACKING_URI', '')) -%}
    {%- if not address -%}
        {{ exceptions.raise_compiler_error(
            'bootstrap_snowflake: MLFLOW_TRACKING_URI is not the http address of a server. On Snowflake the registry is an'
            ~ ' MLflow server that procedures can reach: set it to that server, then run this again.'
        ) }}
    {%- endif -%}
    {%- set scheme, host, port = address.groups() -%}
    {{ return(host ~ ':' ~ (port or ('443' if scheme == 'https' else '80'))) }}
{%- endmacro %}
