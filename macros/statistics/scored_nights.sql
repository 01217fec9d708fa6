{#
    Dates of the nights that came to write scores, one row each. A night that drift has stopped is in the histories of drift as
    well: it is what the gate stopped, and no month-end to compare with.
#}
{% macro scored_nights() -%}
    select distinct as_of_date
    from {{ source('audit', 'run_log') }}
    where accounts_scored is not null
{%- endmacro %}
