-- One row per account and matured cohort: outcome, split and all account features. It is written in turns, because
-- the windows of all cohorts need much memory.
{{ config(materialized='table', accounts_at_a_time=var('cases_at_a_time'), turns_over='int_cohort_book') }}
{%- do ref('int_cohort_book') %}

with

outcomes as (

    select * from {{ ref('int_account_outcomes') }}

),

features as (

    select * from {{ ref('feat_cohort_accounts') }}

)

select
    outcomes.*,
    features.* exclude (account_id, as_of_date)  -- noqa: RF02
from outcomes
inner join features
    on
        outcomes.entity_id = features.account_id
        and outcomes.as_of_date = features.as_of_date
where {{ in_turn(account_block('outcomes.entity_id')) }}
