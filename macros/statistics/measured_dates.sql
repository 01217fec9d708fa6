{#
    The dates of the cohorts that this run measures. They are read when a model is about to run, so that they are
    constants in its SQL. None where the relation cannot be queried.
    cohorts: measured_cohorts.
#}
{% macro measured_dates(cohorts) -%}
    {%- set dates = none -%}
    {%- if execute and '__dbt__cte__' not in (cohorts | string) and load_relation(cohorts) -%}
        {%- set query = 'select distinct cohort_date from ' ~ cohorts ~ ' where run_id in (select run_id from ' ~ ref('int_run') ~ ')' -%}
        {%- set dates = run_query(query).columns[0].values() | list -%}
    {%- endif -%}
    {{ return(dates) }}
{%- endmacro %}
