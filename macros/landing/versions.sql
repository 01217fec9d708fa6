{# The versions in a landing table that this run may see: those loaded by its cutoff. #}
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
    A condition for `qualify`: the version of each grain that was loaded last. Use it after a join that leaves few
    versions. Of two versions with one load time, the load's name decides, so that the choice never depends on the order
    of rows.
#}
{% macro is_latest_version(grain, alias='') -%}
    {%- set prefix = alias ~ '.' if alias else '' -%}
    row_number() over (partition by {{ grain | join(', ') }} order by {{ prefix }}_loaded_at desc, {{ prefix }}_load_id desc) = 1
{%- endmacro %}

{#
    The first row of each grain in a CTE, or in a query in parentheses; by default the row loaded last. Only grains with
    several rows are sorted. Corrections are few, and a window over all rows would cost more than the rest of the query.
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

{#
    Hashes of the grains with several rows, as a query of one column, grain_key. A few grains that share a hash may be
    among them.
#}
{% macro repeated_keys(rows, grain) -%}
    {%- set key = engine_hash(grain | join(', ')) -%}
    select {{ key }} as grain_key from {{ rows }} group by {{ key }} having count(*) > 1
{%- endmacro %}

{#
    The order in which versions apply to a past date, best first. First is the version loaded last by the night after
    the date. For a history that was landed in bulk later, it is the earliest version. A later change of terms or income
    was not known on the date. It is never chosen while an earlier version exists.
#}
{% macro version_order_as_of(loaded_at, load_id, as_of_date) -%}
case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then 0 else 1 end,
            case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then {{ loaded_at }} end desc,
            case when {{ days_between(as_of_date, 'cast(' ~ loaded_at ~ ' as date)') }} <= 1 then {{ load_id }} end desc,
            {{ loaded_at }},
            {{ load_id }}
{%- endmacro %}
