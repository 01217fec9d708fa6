-- One row per model, population, group of a protected attribute and metric, for every training and every night.
-- Each cadence builds one of the two relations, and the other is as its last run left it. So both are sources here: a
-- ref() would make each cadence build the other's.
{{ config(tags=['nightly', 'weekly']) }}

{%- for relation_name in ['fairness_of_trainings', 'fairness_of_nights'] %}

    select
        model_name,
        population,
        attribute,
        group_name,
        metric,
        as_of_date,
        value,
        low,
        high,
        reference_group,
        reference_value,
        case_count,
        default_count,
        base_count,
        status,
        reason,
        cutoff,
        mlflow_run_id,
        model_version,
        run_id
    from {{ source('fairness', relation_name) }}
    {{ 'union all' if not loop.last }}
{%- endfor %}
