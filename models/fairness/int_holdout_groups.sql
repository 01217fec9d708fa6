-- One row per holdout case of this training and protected attribute: the group of the case.
{{ config(schema='intermediate', tags=['weekly'], materialized='table') }}

with

cases as (
    {%- for model in scoring_models() %}

        select
            '{{ model.model_name }}' as model_name,
            entity_id,
            as_of_date,
            customer_id
        from {{ ref(model.training_set) }}
        where split = 'holdout'
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

groups as (

    {{ protected_groups('cases', ['model_name', 'entity_id', 'as_of_date']) }}

)

select * from groups
