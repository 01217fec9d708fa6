{# The table that every dbt build leaves a row in; hooks write it, because no model can know how its own run ended. #}
{% macro ensure_run_log() %}
    {%- if execute -%}
        {%- do make_missing_table(nightbook._run_log(), {
            'run_id': 'varchar',
            'cadence': 'varchar',
            'as_of_date': 'date',
            'known_at': 'timestamp',
            'actor': 'varchar',
            'started_at': 'timestamp',
            'ended_at': 'timestamp',
            'outcome': 'varchar',
            'first_failure': 'varchar',
            'accounts_scored': 'bigint',
            'applications_scored': 'bigint',
        }) -%}
    {%- endif -%}
{% endmacro %}

{# One row for a build that scored or trained, whatever became of it. A hook cannot ref(), so it names schemas. #}
{% macro record_run(results) %}
    {%- if execute and cadence() in ('nightly', 'weekly', 'full') and invocation_args_dict.which in ('build', 'run', 'retry') -%}
        {%- set failed = results | selectattr('status', 'in', ['error', 'fail']) | list -%}
        {%- set succeeded = results | selectattr('status', 'equalto', 'success') | map(attribute='node.name') | list -%}
        insert into {{ nightbook._run_log() }}
        select
            '{{ invocation_id }}',
            '{{ cadence() }}',
            {{ '(select as_of_date from intermediate.int_run)' if 'int_run' in succeeded else 'null' }},
            {{ known_at() }},
            '{{ dbt.escape_single_quotes(env_var("NIGHTBOOK_ACTOR", "") or env_var("USER", "") or "unknown") }}',
            {{ started_at() }},
            cast('{{ modules.datetime.datetime.now(modules.pytz.utc).strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp),
            '{{ "failed" if failed else "succeeded" }}',
            {{ "'" ~ dbt.escape_single_quotes(failed[0].node.name) ~ "'" if failed else 'null' }},
            {{ '(select count(*) from scoring.tonight_account_scores)'
                if 'fct_account_scores' in succeeded else 'null' }},
            {{ '(select count(*) from scoring.tonight_application_scores)'
                if 'fct_application_scores' in succeeded else 'null' }}
    {%- endif -%}
{% endmacro %}

{% macro _run_log() -%}
    {{ return(api.Relation.create(database=target.database, schema='audit', identifier='run_log', type='table')) }}
{%- endmacro %}
