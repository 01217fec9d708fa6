{# The cutoff of this run, UTC: rows loaded later do not exist for it. #}
{% macro known_at() -%}
    {{ given_timestamp(
        var('known_at') or nightbook._from_environment('NIGHTBOOK_KNOWN_AT') or run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f'),
        'NIGHTBOOK_KNOWN_AT'
    ) }}
{%- endmacro %}

{# The date to score or train as of, if the caller named one, as a text. #}
{% macro given_as_of() -%}
    {{ return(var('as_of') or nightbook._from_environment('NIGHTBOOK_AS_OF')) }}
{%- endmacro %}

{# Read when a model runs, not when it is parsed: dbt would parse it anew for every other value. #}
{% macro _from_environment(name) -%}
    {{ return(env_var(name, '') if execute else '') }}
{%- endmacro %}

{# Who answers for this run: NIGHTBOOK_ACTOR, else the login name, looked for where Python's getpass does. #}
{% macro actor() -%}
    {{ return(nightbook._from_environment('NIGHTBOOK_ACTOR') or nightbook._from_environment('LOGNAME')
        or nightbook._from_environment('USER') or 'unknown') }}
{%- endmacro %}

{# Versions that score in the place of champions, as a text such as account_pd=3; empty where none is pinned. #}
{% macro pinned_versions() -%}
    {{ return(nightbook._from_environment('NIGHTBOOK_VERSIONS')) }}
{%- endmacro %}

{# The start of this run, UTC. #}
{% macro started_at() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}

{# True when this invocation trains: features of past cohorts are then built beside, or instead of, tonight's. #}
{% macro is_training_run() -%}
    {{ return('model.nightbook.candidates' in selected_resources) }}
{%- endmacro %}

{# True unless this invocation only trains. #}
{% macro is_scoring_run() -%}
    {{ return('model.nightbook.tonight_account_scores' in selected_resources or not nightbook.is_training_run()) }}
{%- endmacro %}

{# What a run is called in the audit trail. #}
{% macro cadence() -%}
    {%- if is_training_run() and is_scoring_run() -%} full
    {%- elif is_training_run() -%} weekly
    {%- elif 'model.nightbook.tonight_account_scores' in selected_resources -%} nightly
    {%- else -%} other
    {%- endif -%}
{%- endmacro %}
