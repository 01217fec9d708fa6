-- One row per account and as-of date: every account feature, for training and scoring alike.
{{ config(materialized='table') }}

with

accounts as (

    select
        account_id,
        as_of_date
    from {{ ref('int_account_book') }}

)

select *  -- noqa: RF02
from accounts
left join {{ ref('feat_account_delinquency') }} using (account_id, as_of_date)
left join {{ ref('feat_account_utilization') }} using (account_id, as_of_date)
left join {{ ref('feat_account_payments') }} using (account_id, as_of_date)
left join {{ ref('feat_account_balance') }} using (account_id, as_of_date)
left join {{ ref('feat_account_tenure') }} using (account_id, as_of_date)
left join {{ ref('feat_account_bureau') }} using (account_id, as_of_date)
left join {{ ref('feat_account_exposure') }} using (account_id, as_of_date)
