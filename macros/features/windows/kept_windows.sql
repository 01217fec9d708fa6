{# The parts of every account, from the as-of month and what int_closed_windows keeps of the closed ones. #}
{% macro _kept_parts(parts, open_months, closed_windows) -%}
select
    open_months.account_id,
    open_months.as_of_date
    {%- for part in parts %},
    {{ nightbook._kept_part(part, 'open_months', 'closed_windows') }} as {{ part.name }}
    {%- endfor %}
from {{ open_months }} as open_months
left join {{ closed_windows }} as closed_windows
    on
        open_months.account_id = closed_windows.account_id
        and {{ in_turn('closed_windows.account_block') }}
where {{ in_turn('open_months.account_block') }}
{%- endmacro %}

{# A part from the as-of month, which is 0 months ago, and from what the closed months add. #}
{% macro _kept_part(part, open_months, closed_windows) -%}
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
        {%- set seen = 'cast(' ~ x ~ ' is not null as integer)' -%}
        {%- if kind in ('max', 'min') -%}{%- do terms.append(x) -%}
        {%- elif kind == 'sum' -%}{%- do terms.append('coalesce(' ~ x ~ ', 0)') -%}
        {%- elif kind == 'count' -%}{%- do terms.append(seen) -%}
        {%- elif kind == 'sum_t' -%}{%- do terms.append(seen ~ ' * ' ~ (-ago)) -%}
        {%- elif kind == 'sum_tt' -%}{%- do terms.append(seen ~ ' * ' ~ (ago * ago)) -%}
        {%- elif kind == 'sum_xt' -%}{%- do terms.append(nightbook._wide(measure, 'coalesce(' ~ x ~ ', 0)') ~ ' * ' ~ (-ago)) -%}
        {%- elif kind == 'sum_xx' -%}{%- do terms.append('coalesce(' ~ nightbook._square(x) ~ ', 0)') -%}
        {%- endif -%}
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
