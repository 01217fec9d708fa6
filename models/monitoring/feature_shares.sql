-- One row per model, input and bin of the champion's training population: its share then and its share tonight.
{{ config(materialized='table') }}

with

profiles as (

    select * from {{ ref('champion_profiles') }}

),

-- One row per account and input.
account_values as (

    {{ unpivot_numbers(ref('accounts_tonight'), feature_columns('feat_accounts', keys=['account_id', 'as_of_date'])) }}

),

-- One row per application and input.
application_values as (

    {{ unpivot_numbers(
        ref('applications_tonight'), feature_columns('feat_applications', keys=['application_id', 'as_of_date'])
    ) }}

),

tonight as (

    select
        'account_pd' as model_name,
        feature,
        value
    from account_values

    union all

    select
        'application_pd' as model_name,
        feature,
        value
    from application_values

),

{{ binned_shares('tonight', 'profiles') }}

select * from binned_shares
