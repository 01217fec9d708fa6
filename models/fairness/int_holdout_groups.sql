-- One row per holdout case of this training and protected attribute: the group of the case.
{{ config(schema='intermediate', tags=['weekly'], materialized='table') }}

with

cases as (

    select
        'account_pd' as model_name,
        entity_id,
        as_of_date,
        customer_id
    from {{ ref('training_set_account_pd') }}
    where split = 'holdout'

    union all

    select
        'application_pd' as model_name,
        entity_id,
        as_of_date,
        customer_id
    from {{ ref('training_set_application_pd') }}
    where split = 'holdout'

),

groups as (

    {{ protected_groups('cases', ['model_name', 'entity_id', 'as_of_date']) }}

)

select * from groups
