{#
    One statistic of a monthly measure over the last `months` months, the as-of month included, as a column expression
    over the panel grouped by account and as-of date. A younger account is measured over the months it has; no
    observation in the window gives null.

    Exact whatever the thread count or row order: measures are decimals or integers, so sums are exact, and the one
    division at the end is rounded to six places.

    stat: avg, max, min, sum, slope (change a month by least squares), std (population), last (the as-of month),
          change (the as-of month against the month `months` earlier), since (months since the measure was last
          positive), seen (months observed)
#}
{% macro window_stat(measure, stat, months, data_type='double') -%}
    {%- set x = 'case when months_ago < ' ~ months ~ ' then ' ~ measure ~ ' end' -%}
    {%- set t = 'case when months_ago < ' ~ months ~ ' and ' ~ measure ~ ' is not null then -months_ago end' -%}
    {%- if stat in ('max', 'min', 'sum') -%}
        cast({{ stat }}({{ x }}) as {{ data_type }})
    {%- elif stat == 'avg' -%}
        round(cast(sum({{ x }}) as double) / nullif(count({{ x }}), 0), 6)
    {%- elif stat == 'seen' -%}
        cast(count({{ x }}) as integer)
    {%- elif stat == 'last' -%}
        cast(max(case when months_ago = 0 then {{ measure }} end) as {{ data_type }})
    {%- elif stat == 'change' -%}
        cast(
            max(case when months_ago = 0 then {{ measure }} end) - max(case when months_ago = {{ months }} then {{ measure }} end)
            as {{ data_type }}
        )
    {%- elif stat == 'since' -%}
        cast(min(case when months_ago < {{ months }} and {{ measure }} > 0 then months_ago end) as integer)
    {%- elif stat == 'slope' -%}
        round(
            (count({{ x }}) * cast(sum(({{ x }}) * ({{ t }})) as double) - cast(sum({{ x }}) as double) * sum({{ t }}))
            / nullif(count({{ x }}) * sum(({{ t }}) * ({{ t }})) - sum({{ t }}) * sum({{ t }}), 0),
            6
        )
    {%- elif stat == 'std' -%}
        round(
            sqrt({{ at_least(
                'cast(sum((' ~ x ~ ') * (' ~ x ~ ')) as double) / nullif(count(' ~ x ~ '), 0)'
                ~ ' - power(cast(sum(' ~ x ~ ') as double) / nullif(count(' ~ x ~ '), 0), 2)', 0) }}),
            6
        )
    {%- else -%}
        {{ exceptions.raise_compiler_error(
            "window_stat: unknown statistic '" ~ stat ~ "' for " ~ measure
            ~ "; use avg, max, min, sum, slope, std, last, change, since or seen") }}
    {%- endif -%}
{%- endmacro %}

{#
    A row of the feature table: one measure, its statistics and their windows, as columns <name>_<months>m_<stat>.
    windows: {statistic: [months, ...]}
#}
{% macro window_stats(measure, windows, name=none, data_type='double') -%}
    {%- set columns = [] -%}
    {%- for stat, lengths in windows.items() -%}
        {%- for months in lengths -%}
            {%- do columns.append(window_stat(measure, stat, months, data_type) ~ ' as ' ~ (name or measure) ~ '_' ~ months ~ 'm_' ~ stat) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ columns | join(',\n        ') }}
{%- endmacro %}
