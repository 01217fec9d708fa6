-- One row per account that ever defaulted: the day on which it first did, by servicing or by report. A table, because the
-- book, training and the monitors ask for it, and a long history is looked at once.
{{ config(materialized='table') }}

with

default_events as (

    select * from {{ ref('stg_default_events') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

-- Versions that show a default, and those that may take one back, which are not the first of their snapshot: few of the
-- whole history, so that one look at it is enough.
suspects as (

    select servicing.*
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join {{ ref('stg_snapshots') }} as snapshots on servicing.snapshot_date = snapshots.snapshot_date
    cross join policy
    where
        servicing.days_past_due >= policy.default_days_past_due
        or servicing.account_status = 'charged_off'
        or servicing._loaded_at > snapshots.first_loaded_at
        or servicing._load_id > snapshots.first_load_id

),

latest_suspects as (

    {{ first_of_grain('suspects', ['account_id', 'snapshot_date']) }}

),

-- One row per account and sign of default.
signs as (

    select
        suspects.account_id,
        suspects.snapshot_date as defaulted_on
    from latest_suspects as suspects
    cross join policy
    where
        suspects.days_past_due >= policy.default_days_past_due
        or suspects.account_status = 'charged_off'

    union all

    select
        account_id,
        defaulted_on
    from default_events

),

first_defaults as (

    select
        account_id,
        min(defaulted_on) as defaulted_on
    from signs
    group by account_id

)

select * from first_defaults
