-- One row per date that features are built for: tonight when scoring, the matured cohorts when training.
with

dates as (

    {% if is_scoring_run() -%}
    select as_of_date from {{ ref('int_run') }}
    {%- endif %}
    {% if is_scoring_run() and is_training_run() -%}
    union
    {%- endif %}
    {% if is_training_run() -%}
    select as_of_date from {{ ref('int_cohorts') }}
    {%- endif %}

)

-- depends_on: {{ ref('int_run') }}
-- depends_on: {{ ref('int_cohorts') }}
select * from dates
