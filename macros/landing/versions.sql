{# The versions of a landing table that this run may see: those loaded up to its cutoff. #}
{% macro known_versions(relation, columns) -%}
select
    {%- for column in columns %}
    {{ column }},
    {%- endfor %}
    _loaded_at,
    _load_id
from {{ relation }}
where _loaded_at <= {{ known_at() }}
{%- endmacro %}

{#
    True for the version loaded last of each grain; for `qualify`, after a join has left only the versions in question.
    Two versions with one load time are settled by the load's name, so that the choice never depends on row order.
#}
{% macro is_latest_version(grain, alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    row_number() over (partition by {{ grain | join(', ') }} order by {{ prefix }}_loaded_at desc, {{ prefix }}_load_id desc) = 1
{%- endmacro %}

{#
    The rows of a CTE, or of a query in parentheses, that come first of their grain, by default those loaded last. Only
    grains of several rows are put in order: they are few where they are corrections, and a window over all the others
    would cost more than the rest of the query.
#}
{% macro first_of_grain(rows, grain, order='_loaded_at desc, _load_id desc') -%}
    {%- set key = engine_hash(grain | join(', ')) -%}
    with

    repeated as (

        {{ repeated_keys(rows, grain) }}

    )

    select *
    from {{ rows }}
    where {{ key }} not in (select repeated.grain_key from repeated)

    union all

    select *
    from {{ rows }}
    where {{ key }} in (select repeated.grain_key from repeated)
    qualify row_number() over (partition by {{ grain | join(', ') }} order by {{ order }}) = 1
{%- endmacro %}

{# Hashes of the grains that have several rows, and perhaps of a few that share a hash: a query of one column, grain_key. #}
{% macro repeated_keys(rows, grain) -%}
    {%- set key = engine_hash(grain | join(', ')) -%}
    select {{ key }} as grain_key from {{ rows }} group by {{ key }} having count(*) > 1
{%- endmacro %}

{#
    The order in which versions answer for a past date, best first: the last one loaded by the night after that date;
    for a history that was landed in bulk afterwards, the earliest there is. A later change of terms or income is
    knowledge from the future and never chosen while an earlier version exists.
#}
{% macro version_order_as_of(loaded_at, load_id, as_of_date) -%}
case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then 0 else 1 end,
            case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then {{ loaded_at }} end desc,
            case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then {{ load_id }} end desc,
            {{ loaded_at }},
            {{ load_id }}
{%- endmacro %}
