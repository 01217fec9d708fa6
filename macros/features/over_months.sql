{#
    How windows are computed. A statistic is made of parts (a sum, a count, the value of a month), and there are two
    ways to a part, which give the same bits:

    grouped   an aggregate over the panel, one row per month, grouped by account and as-of date: short, for any engine,
              any number of as-of dates, any sample
    abreast   the 25 months of an account as columns of one row, each joined from its own partition of kept months, and
              parts as arithmetic over them: no grouping, nothing sorted, which is what a whole book on one machine takes
#}
{% macro months_are_abreast() -%}
    {{ return(adapter.dispatch('months_are_abreast', 'nightbook')()) }}
{%- endmacro %}

{% macro default__months_are_abreast() -%}
    {{ return(false) }}
{%- endmacro %}

{% macro duckdb__months_are_abreast() -%}
    {{ return(not is_training_run() and var('windows') == 'abreast') }}
{%- endmacro %}

{# A query of one row per account and as-of date with the given columns, written with window_stat. #}
{% macro over_months(columns) -%}
    {%- if not execute -%}
        {#- Either way may be taken when it runs, so the graph knows the parents of both. -#}
        {%- do [ref('int_account_panel'), ref('int_open_months'), ref('int_closed_months'), ref('int_run')] -%}
    {%- endif -%}
    {%- if nightbook.months_are_abreast() -%}
        {{ nightbook._over_months_abreast(columns) }}
    {%- else -%}
select
    account_id,
    as_of_date,
    {{ columns }}
from {{ ref('int_account_panel') }}
group by account_id, as_of_date
    {%- endif -%}
{%- endmacro %}

{# The as-of date is written out, so that each month is found on disk without a search, and so are the accounts in turn. #}
{% macro _over_months_abreast(columns) -%}
    {%- set found = namespace(as_of_date=none) -%}
    {%- set is_built = execute and load_relation(ref('int_run')) -%}
    {%- if execute and not is_built and flags.WHICH in ('build', 'run', 'retry') -%}
        {{ exceptions.raise_compiler_error('int_run is not there yet: build it first, with +' ~ this.identifier) }}
    {%- endif -%}
    {%- if is_built -%}
        {%- set found.as_of_date = run_query('select as_of_date from ' ~ ref('int_run')).columns[0].values()[0] -%}
    {%- endif -%}
    {%- set as_of_date = "cast('" ~ (found.as_of_date or '1970-01-01') ~ "' as date)" -%}
with

{% for ago in range(1, 25) -%}
month_{{ ago }} as (

    select *
    from {{ ref('int_closed_months') }}
    where
        month_start = {{ add_months(month_start(as_of_date), -ago) }}
        and {{ in_turn('account_block') }}

),

{% endfor -%}
abreast as (

    select
        month_0.account_id,
        month_0.as_of_date
        {%- for measure in measure_names() -%}
            {%- for ago in range(25) %},
        month_{{ ago }}.{{ measure }} as {{ measure }}_{{ ago }}
            {%- endfor -%}
        {%- endfor %}
    from {{ ref('int_open_months') }} as month_0
    {%- for ago in range(1, 25) %}
    left join month_{{ ago }} on month_0.account_id = month_{{ ago }}.account_id
    {%- endfor %}
    where {{ in_turn('month_0.account_block') }}

)

select
    account_id,
    as_of_date,
    {{ columns }}
from abreast
{%- endmacro %}

{#
    A part of a statistic over the months 0 to months - 1: count, sum, max, min of the measure x; sum_xx; with t, minus
    the months ago of an observed month: sum_t, sum_tt, sum_xt; since: the smallest months ago with x above zero. Or at:
    x as it was `months` ago.
#}
{% macro window_part(part, measure, months) -%}
    {%- if nightbook.months_are_abreast() -%}
        {{ nightbook._part_abreast(part, measure, months) }}
    {%- else -%}
        {{ nightbook._part_grouped(part, measure, months) }}
    {%- endif -%}
{%- endmacro %}

{% macro _part_grouped(part, measure, months) -%}
    {%- set x = 'case when months_ago < ' ~ months ~ ' then ' ~ measure ~ ' end' -%}
    {%- set t = 'case when months_ago < ' ~ months ~ ' and ' ~ measure ~ ' is not null then -months_ago end' -%}
    {%- if part in ('count', 'sum', 'max', 'min') -%} {{ part }}({{ x }})
    {%- elif part == 'sum_t' -%} sum({{ t }})
    {%- elif part == 'sum_tt' -%} sum(({{ t }}) * ({{ t }}))
    {%- elif part == 'sum_xt' -%} sum(({{ x }}) * ({{ t }}))
    {%- elif part == 'sum_xx' -%} sum({{ nightbook._square(x) }})
    {%- elif part == 'since' -%} min(case when months_ago < {{ months }} and {{ measure }} > 0 then months_ago end)
    {%- elif part == 'at' -%} max(case when months_ago = {{ months }} then {{ measure }} end)
    {%- endif -%}
{%- endmacro %}

{#
    A longer window is written as the next shorter one and the months beyond it, so that the engine, which sees the same
    expression twice, computes it once.
#}
{% macro _part_abreast(part, measure, months) -%}
    {%- set x, shorter, terms = [], [], [] -%}
    {%- for ago in range(months) -%}{%- do x.append(measure ~ '_' ~ ago) -%}{%- endfor -%}
    {%- for length in (3, 6, 12) if length < months -%}{%- do shorter.append(length) -%}{%- endfor -%}
    {%- set first = shorter[-1] if shorter else 0 -%}
    {%- if part == 'at' -%} {{ measure ~ '_' ~ months }}
    {%- elif part == 'since' -%}
        case when {{ nightbook._part_abreast('max', measure, months) }} > 0 then
        case{% for ago in range(months) %} when {{ measure }}_{{ ago }} > 0 then {{ ago }}{% endfor %} end end
    {%- elif part in ('max', 'min') -%}
        {%- if first -%}{%- do terms.append(nightbook._part_abreast(part, measure, first)) -%}{%- endif -%}
        {{ 'greatest' if part == 'max' else 'least' }}({{ (terms + x[first:]) | join(', ') }})
    {%- elif part == 'sum' -%}
        case when coalesce({{ x | join(', ') }}) is not null then {{ nightbook._part_abreast('total', measure, months) }} end
    {%- else -%}
        {%- if first -%}{%- do terms.append(nightbook._part_abreast(part, measure, first)) -%}{%- endif -%}
        {%- for ago in range(first, months) -%}
            {%- do terms.append({
                'total': 'coalesce(' ~ x[ago] ~ ', 0)',
                'count': 'cast(' ~ x[ago] ~ ' is not null as integer)',
                'sum_t': 'cast(' ~ x[ago] ~ ' is not null as integer) * ' ~ (-ago),
                'sum_tt': 'cast(' ~ x[ago] ~ ' is not null as integer) * ' ~ (ago * ago),
                'sum_xt': nightbook._wide(measure, 'coalesce(' ~ x[ago] ~ ', 0)') ~ ' * ' ~ (-ago),
                'sum_xx': 'coalesce(' ~ nightbook._square(x[ago]) ~ ', 0)',
            }[part]) -%}
        {%- endfor -%}
        ({{ terms | join(' + ') }})
    {%- endif -%}
{%- endmacro %}

{# Flags are one byte: two dozen of them add up in it, multiplied by months they do not fit. #}
{% macro _wide(measure, x) -%}
    {%- if measure.startswith('is_') -%} cast({{ x }} as integer) {%- else -%} {{ x }} {%- endif -%}
{%- endmacro %}

{# A ratio at its limit of 1000 has a square that its own type cannot hold. #}
{% macro _square(x) -%}
    cast({{ x }} as decimal(19, 6)) * cast({{ x }} as decimal(19, 6))
{%- endmacro %}
