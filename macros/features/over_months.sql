{#
    How windows are computed. Features are arithmetic over parts: a sum, a count, or the value of a month. The macro
    window_part names a part. The macro over_months computes every named part, in one of two ways that give the same
    bits:

      grouped   Aggregates over the panel, which has one row per month, by account and as-of date. The SQL is short and
                works on any engine, for any number of as-of dates and for any sample.
      abreast   Reads what the closed months add to each part from int_closed_windows, which is computed once for all
                nights of a month. A night joins one row to one row and adds the as-of month.
#}

{#
    A query with one row per account and as-of date and the given columns, which are written with window_stat.
    panel: made by account_panel.
    open_months, closed_windows: int_open_months and int_closed_windows, for dates that have them.
#}
{% macro over_months(columns, panel, open_months=none, closed_windows=none) -%}
    {%- set parts = window_parts(columns) -%}
with

{% if closed_windows and var('windows') == 'abreast' -%}
parts as (

    select
        open_months.account_id,
        open_months.as_of_date
        {%- for part in parts %},
        {{ nightbook._whole_part(part, 'open_months', 'closed_windows') }} as {{ part.name }}
        {%- endfor %}
    from {{ open_months }} as open_months
    left join {{ closed_windows }} as closed_windows
        on
            open_months.account_id = closed_windows.account_id
            and {{ in_turn('closed_windows.account_block') }}
    where {{ in_turn('open_months.account_block') }}

)
{%- else -%}
parts as (

    select
        account_id,
        as_of_date
        {%- for part in parts %},
        {{ nightbook._grouped_part(part) }} as {{ part.name }}
        {%- endfor %}
    from {{ panel }}
    group by account_id, as_of_date

)
{%- endif %}

select
    account_id,
    as_of_date,
    {{ columns }}
from parts
{%- endmacro %}

{#
    A part of a statistic over the months 0 to months - 1, where month 0 is the as-of month. Here x is the measure, and
    t is minus the number of months ago, for months in which x was observed.
      count, sum, max, min, sum_xx  over x
      sum_t, sum_tt, sum_xt         over t, or over x and t
      since                         the smallest number of months ago with x above zero
      at                            x as it was `months` ago
#}
{% macro window_part(part, measure, months) -%}
    parts.{{ measure }}__{{ months }}m_{{ part }}
{%- endmacro %}

{# Each part that the columns name, once: dictionaries of name, measure, months and part. #}
{% macro window_parts(columns) -%}
    {%- set parts = [] -%}
    {%- for name, measure, months, part in modules.re.findall('parts\\.((\\w+?)__(\\d+)m_(\\w+))', columns) | unique | sort -%}
        {%- do parts.append({'name': name, 'measure': measure, 'months': months | int, 'part': part}) -%}
    {%- endfor -%}
    {{ return(parts) }}
{%- endmacro %}

{% macro _grouped_part(part) -%}
    {%- set kind, measure, months = part.part, part.measure, part.months -%}
    {%- set x = 'case when months_ago < ' ~ months ~ ' then ' ~ measure ~ ' end' -%}
    {%- set t = 'case when months_ago < ' ~ months ~ ' and ' ~ measure ~ ' is not null then -months_ago end' -%}
    {%- if kind in ('count', 'sum', 'max', 'min') -%} {{ kind }}({{ x }})
    {%- elif kind == 'sum_t' -%} sum({{ t }})
    {%- elif kind == 'sum_tt' -%} sum(({{ t }}) * ({{ t }}))
    {%- elif kind == 'sum_xt' -%} sum(({{ x }}) * ({{ t }}))
    {%- elif kind == 'sum_xx' -%} sum({{ nightbook._square(x) }})
    {%- elif kind == 'since' -%} min(case when months_ago < {{ months }} and {{ measure }} > 0 then months_ago end)
    {%- elif kind == 'at' -%} max(case when months_ago = {{ months }} then {{ nightbook._at_column(measure, months) }} end)
    {%- endif -%}
{%- endmacro %}

{# A part from the as-of month, which is 0 months ago, and from what the closed months add. #}
{% macro _whole_part(part, open_months, closed_windows) -%}
    {%- set kind, x = part.part, open_months ~ '.' ~ part.measure -%}
    {%- set closed = closed_windows ~ '.' ~ part.name if nightbook._has_closed_months(part) -%}
    {%- if kind == 'at' -%} {{ closed or open_months ~ '.' ~ nightbook._at_column(part.measure, part.months) }}
    {%- elif kind in ('max', 'min') -%}
        {{ x if not closed else greatest_of([x, closed]) if kind == 'max' else least_of([x, closed]) }}
    {%- elif kind == 'since' -%}
        case when {{ x }} > 0 then 0 {{ 'else ' ~ closed if closed }} end
    {%- elif kind == 'sum' -%}
        {{ 'coalesce(' ~ x ~ ' + ' ~ closed ~ ', ' ~ x ~ ', ' ~ closed ~ ')' if closed else x }}
    {%- else -%}
        {%- set own = {
            'count': 'cast(' ~ x ~ ' is not null as integer)',
            'sum_xx': 'coalesce(' ~ nightbook._square(x) ~ ', 0)',
        }.get(kind, '0') -%}
        {{ own }} {{ '+ coalesce(' ~ closed ~ ', 0)' if closed }}
    {%- endif -%}
{%- endmacro %}

{#
    The column of a measure in one month. Tonight's lateness is in <measure>_now, because the measure itself holds the
    worse of tonight and the last month-end.
#}
{% macro _at_column(measure, months) -%}
    {{ return(measure ~ '_now' if months == 0 and measures()[measure] == 'lateness' else measure) }}
{%- endmacro %}

{% macro _has_closed_months(part) -%}
    {{ return(part.months > (0 if part.part == 'at' else 1)) }}
{%- endmacro %}

{# What the closed months add to each part that reaches them, as columns. Reads columns <measure>_<months ago>. #}
{% macro closed_windows(parts) -%}
    {%- set columns = [] -%}
    {%- for part in parts if nightbook._has_closed_months(part) -%}
        {%- do columns.append(nightbook._closed_part(part) ~ ' as ' ~ part.name) -%}
    {%- endfor -%}
    {{ columns | join(',\n    ') }}
{%- endmacro %}

{#
    What the closed months add to a part. Reads the months 1 to months - 1 as columns <measure>_<months ago> of one row.
    It is null where they have no value. A longer window is written as the next shorter one and the months beyond it.
    The engine sees the same expression twice and computes it once.
#}
{% macro _closed_part(part) -%}
    {%- set kind, measure, months = part.part, part.measure, part.months -%}
    {%- if kind == 'at' -%} {{ measure ~ '_' ~ months }}
    {%- elif kind == 'since' -%}
        case when {{ nightbook._closed_terms('max', measure, months) }} > 0 then
        case{% for ago in range(1, months) %} when {{ measure }}_{{ ago }} > 0 then {{ ago }}{% endfor %} end end
    {%- elif kind == 'sum' -%}
        case
            when coalesce({% for ago in range(1, months) %}{{ measure }}_{{ ago }}{{ ', ' if not loop.last }}{% endfor %}) is not null
                then {{ nightbook._closed_terms(kind, measure, months) }}
        end
    {%- elif kind == 'sum_xt' -%} cast({{ nightbook._closed_terms(kind, measure, months) }} as double)
    {%- elif kind in ('max', 'min', 'sum_xx') -%} {{ nightbook._closed_terms(kind, measure, months) }}
    {%- else -%} cast({{ nightbook._closed_terms(kind, measure, months) }} as integer)
    {%- endif -%}
{%- endmacro %}

{% macro _closed_terms(kind, measure, months) -%}
    {%- set shorter, terms = [], [] -%}
    {%- for length in (3, 6, 12) if length < months -%}{%- do shorter.append(length) -%}{%- endfor -%}
    {%- if shorter -%}{%- do terms.append(nightbook._closed_terms(kind, measure, shorter[-1])) -%}{%- endif -%}
    {%- for ago in range(shorter[-1] if shorter else 1, months) -%}
        {%- set x = measure ~ '_' ~ ago -%}
        {%- do terms.append({
            'max': x,
            'min': x,
            'sum': 'coalesce(' ~ x ~ ', 0)',
            'count': 'cast(' ~ x ~ ' is not null as integer)',
            'sum_t': 'cast(' ~ x ~ ' is not null as integer) * ' ~ (-ago),
            'sum_tt': 'cast(' ~ x ~ ' is not null as integer) * ' ~ (ago * ago),
            'sum_xt': nightbook._wide(measure, 'coalesce(' ~ x ~ ', 0)') ~ ' * ' ~ (-ago),
            'sum_xx': 'coalesce(' ~ nightbook._square(x) ~ ', 0)',
        }[kind]) -%}
    {%- endfor -%}
    {%- if kind == 'max' -%} {{ greatest_of(terms) }}
    {%- elif kind == 'min' -%} {{ least_of(terms) }}
    {%- else -%} ({{ terms | join(' + ') }})
    {%- endif -%}
{%- endmacro %}

{# Flags are one byte. A sum of two dozen flags fits into it, but not their products with months. #}
{% macro _wide(measure, x) -%}
    {%- if measure.startswith('is_') -%} cast({{ x }} as integer) {%- else -%} {{ x }} {%- endif -%}
{%- endmacro %}

{# A ratio at its limit of 1000 has a square that does not fit into the ratio's own type. #}
{% macro _square(x) -%}
    cast({{ x }} as decimal(19, 6)) * cast({{ x }} as decimal(19, 6))
{%- endmacro %}
