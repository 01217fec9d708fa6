{#
    The dates of the cohorts that this run measures, asked when a model is about to run, so that they stand in its SQL as
    constants; none where the relation cannot be asked. cohorts: measured_cohorts.
#}
{% macro measured_dates(cohorts) -%}
    {%- set dates = none -%}
    {%- if execute and '__dbt__cte__' not in (cohorts | string) and load_relation(cohorts) -%}
        {%- set asked = 'select distinct cohort_date from ' ~ cohorts ~ ' where run_id = ' ~ text_literal(invocation_id) -%}
        {%- set dates = run_query(asked).columns[0].values() | list -%}
    {%- endif -%}
    {{ return(dates) }}
{%- endmacro %}
