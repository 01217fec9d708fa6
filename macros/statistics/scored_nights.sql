{#
    Dates of the nights that wrote scores, one row each. Drift histories also hold nights that drift stopped. Such a
    night is no month-end to compare with.
#}
{% macro scored_nights() -%}
    select distinct as_of_date
    from {{ source('audit', 'run_log') }}
    where accounts_scored is not null
{%- endmacro %}
