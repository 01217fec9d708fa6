{# The parts of every account and as-of date, by aggregating the months of the panel. #}
{% macro _grouped_parts(parts, panel) -%}
select
    account_id,
    as_of_date
    {%- for part in parts %},
    {{ nightbook._grouped_part(part) }} as {{ part.name }}
    {%- endfor %}
from {{ panel }}
group by account_id, as_of_date
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
