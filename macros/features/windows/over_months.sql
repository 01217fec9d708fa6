{#
    How windows are computed. Features are arithmetic over parts: a sum, a count, or the value of a month. There are two
    ways to compute the parts, and they give the same bits:

      grouped   Aggregates over the panel, which has one row per month, by account and as-of date. The SQL is short and
                works on any engine, for any number of as-of dates and for any sample.
      kept      Reads what the closed months add to each part from int_closed_windows, which is computed once for all
                nights of a month. A night joins one row to one row and adds the as-of month.

    The macro gives a query with one row per account and as-of date and one column per feature.
    features: as windowed_features() returns them.
    panel: made by account_panel.
    open_months, closed_windows: int_open_months and int_closed_windows, for dates that have them.
#}
{% macro over_months(features, panel, open_months=none, closed_windows=none) -%}
    {%- set parts = window_parts(features) -%}
with

parts as (

    {{ nightbook._kept_parts(parts, open_months, closed_windows) if closed_windows and var('windows') == 'kept'
        else nightbook._grouped_parts(parts, panel) }}

)

select
    account_id,
    as_of_date
    {%- for feature in features %},
    {{ window_stat(feature.measure, feature.statistic, feature.months, feature.data_type) }} as {{ feature.name }}
    {%- endfor %}
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
    parts.{{ nightbook._part_name(part, measure, months) }}
{%- endmacro %}

{% macro _part_name(part, measure, months) -%}
    {{ return(measure ~ '__' ~ months ~ 'm_' ~ part) }}
{%- endmacro %}

{# Each part that the features are made of, once: dictionaries of name, measure, months and part. #}
{% macro window_parts(features) -%}
    {%- set parts = {} -%}
    {%- for feature in features -%}
        {%- for part, months in feature.parts -%}
            {%- set name = nightbook._part_name(part, feature.measure, months) -%}
            {%- do parts.update({name: {'name': name, 'measure': feature.measure, 'months': months, 'part': part}}) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(parts.values() | sort(attribute='name') | list) }}
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

{# A ratio at its limit of 1000 has a square that does not fit into the ratio's own type. #}
{% macro _square(x) -%}
    cast({{ x }} as decimal(19, 6)) * cast({{ x }} as decimal(19, 6))
{%- endmacro %}
