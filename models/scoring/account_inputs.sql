-- One row per scored account, as-of date and run: every model input, written before anything is scored. Both the
-- scorer and the supervisor's report read this relation.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_run',
    on_schema_change='append_new_columns',
    accounts_at_a_time=var('accounts_at_a_time')
) }}

with

run as (

    select * from {{ ref('int_run') }}

),

features as (

    select * from {{ ref('feat_accounts') }}

),

in_default as (

    select
        account_id,
        as_of_date
    from {{ ref('int_account_book') }}
    where is_in_default

)

select
    run.run_id,
    features.*
from features
inner join run on features.as_of_date = run.as_of_date
where
    not exists (
        select 1
        from in_default
        where features.account_id = in_default.account_id and features.as_of_date = in_default.as_of_date
    )
