{#
    One statistic of a monthly measure over the last `months` months, the as-of month included. It is a column
    expression for over_months(). A younger account is measured over the months that it has. A window without
    observations gives null.

    The result does not depend on threads or on the order of rows. Measures are decimals or integers, so sums are exact.
    The one division at the end is rounded to six places.

    stat:
      avg, max, min, sum
      slope   change per month, by least squares
      std     population standard deviation
      last    the value of the as-of month
      change  the value of the as-of month minus that of the month `months` earlier
      since   months since the measure was last positive
      seen    months observed
#}
{% macro window_stat(measure, stat, months, data_type='double') -%}
    {%- if stat in ('max', 'min', 'sum') -%}
        cast({{ window_part(stat, measure, months) }} as {{ data_type }})
    {%- elif stat == 'avg' -%}
        {{ rounded(
            'cast(' ~ window_part('sum', measure, months) ~ ' as double) / nullif(' ~ window_part('count', measure, months) ~ ', 0)', 6
        ) }}
    {%- elif stat == 'seen' -%}
        cast({{ window_part('count', measure, months) }} as integer)
    {%- elif stat == 'last' -%}
        cast({{ window_part('at', measure, 0) }} as {{ data_type }})
    {%- elif stat == 'change' -%}
        cast({{ window_part('at', measure, 0) }} - {{ window_part('at', measure, months) }} as {{ data_type }})
    {%- elif stat == 'since' -%}
        cast({{ window_part('since', measure, months) }} as integer)
    {%- elif stat == 'slope' -%}
        {%- set n, x, t = window_part('count', measure, months), window_part('sum', measure, months), window_part('sum_t', measure, months) -%}
        {%- set slope %}
            ({{ n }} * cast({{ window_part('sum_xt', measure, months) }} as double) - cast({{ x }} as double) * {{ t }})
            / nullif({{ n }} * {{ window_part('sum_tt', measure, months) }} - {{ t }} * {{ t }}, 0)
        {%- endset %}
        {{ rounded(slope, 6) }}
    {%- elif stat == 'std' -%}
        {%- set n = 'nullif(' ~ window_part('count', measure, months) ~ ', 0)' -%}
        {%- set variance = 'cast(' ~ window_part('sum_xx', measure, months) ~ ' as double) / ' ~ n
            ~ ' - power(cast(' ~ window_part('sum', measure, months) ~ ' as double) / ' ~ n ~ ', 2)' %}
        {{ rounded('sqrt(' ~ at_least(variance, 0) ~ ')', 6) }}
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "window_stat: unknown statistic '" ~ stat ~ "' for " ~ measure
            ~ "; use avg, max, min, sum, slope, std, last, change, since or seen") }}
    {%- endif -%}
{%- endmacro %}
