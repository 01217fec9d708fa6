-- One row per account and as-of date: every account feature, for training and scoring alike.
with

bureau as (

    select * exclude (account_block)  -- noqa: RF02
    from {{ ref('feat_account_bureau') }}
    where {{ in_turn('account_block') }}

)

select *  -- noqa: RF02
from {{ ref('feat_account_behaviour') }}
left join {{ ref('feat_account_tenure') }} using (account_id, as_of_date)
left join bureau using (account_id, as_of_date)
left join {{ ref('feat_account_exposure') }} using (account_id, as_of_date)
