{#
    What the caller asks of this run: a dictionary of texts, empty where nothing was given. int_request stores it, and
    models take it from there.

      as_of            date to score or train as of: var as_of, else NIGHTBOOK_AS_OF; empty: the latest snapshot
      known_at         UTC; later rows are not seen: var known_at, else NIGHTBOOK_KNOWN_AT, else the start of the run
      actor            who answers for the run: NIGHTBOOK_ACTOR, else the login name in LOGNAME or USER
      pinned_versions  versions that score in place of champions, such as account_pd=3: NIGHTBOOK_VERSIONS
      overrides        stops that the actor lets pass: NIGHTBOOK_OVERRIDE
      override_reason  why: NIGHTBOOK_OVERRIDE_REASON
#}
{% macro requested() -%}
    {%- set given = {} -%}
    {#- Read when a model runs, not when it is parsed. Otherwise dbt would parse again for every other value. -#}
    {%- for name in ['AS_OF', 'KNOWN_AT', 'ACTOR', 'VERSIONS', 'OVERRIDE', 'OVERRIDE_REASON'] -%}
        {%- do given.update({name: env_var('NIGHTBOOK_' ~ name, '') if execute else ''}) -%}
    {%- endfor -%}
    {%- if given.OVERRIDE and not given.OVERRIDE_REASON.strip() -%}
        {{ exceptions.raise_compiler_error(
            "NIGHTBOOK_OVERRIDE needs a reason: set NIGHTBOOK_OVERRIDE_REASON"
        ) }}
    {%- endif -%}
    {%- for name, text in given.items() if name in ('VERSIONS', 'OVERRIDE', 'OVERRIDE_REASON') and not text.isprintable() -%}
        {{ exceptions.raise_compiler_error(
            'NIGHTBOOK_' ~ name ~ " is '" ~ shown_text(text) ~ "': write it in one line, without control characters"
        ) }}
    {%- endfor -%}
    {%- set as_of = (var('as_of') or given.AS_OF) | string -%}
    {%- set known_at = (var('known_at') or given.KNOWN_AT) | string -%}
    {%- if as_of -%}{%- do given_date(as_of, 'NIGHTBOOK_AS_OF') -%}{%- endif -%}
    {%- if known_at -%}{%- do given_timestamp(known_at, 'NIGHTBOOK_KNOWN_AT') -%}{%- endif -%}
    {{ return({
        'as_of': as_of,
        'known_at': known_at or run_started_at.strftime('%Y-%m-%d %H:%M:%S.%f'),
        'actor': given.ACTOR or (env_var('LOGNAME', '') or env_var('USER', '') if execute else '') or 'unknown',
        'pinned_versions': given.VERSIONS,
        'overrides': given.OVERRIDE,
        'override_reason': given.OVERRIDE_REASON,
    }) }}
{%- endmacro %}

{#
    The cutoff of this run, UTC, from int_request. A literal, so that the engine reads only the part of a history that
    it needs.
#}
{% macro known_at() -%}
    {%- set request = ref('int_request') -%}
    {{ value_of('select ' ~ microseconds_text('known_at') ~ ' from ' ~ request, 'timestamp', requested().known_at, request) }}
{%- endmacro %}

{# The start of this invocation of dbt, UTC. #}
{% macro started_at() -%}
    cast('{{ run_started_at.strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp)
{%- endmacro %}

{#
    The cadence that this invocation builds, for the run log. No model may ask for it, because its content would then
    depend on the selection. `dbt retry` does not say what it builds.
#}
{% macro cadence() -%}
    {%- set trains = 'model.nightbook.candidates' in selected_resources -%}
    {%- set scores = 'model.nightbook.champions' in selected_resources -%}
    {{ return('full' if trains and scores else 'weekly' if trains else 'nightly' if scores else 'other') }}
{%- endmacro %}
