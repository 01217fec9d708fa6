-- One row per account that ever defaulted: the first day of default, from servicing or from a default event. It is a
-- table, because the book, training and the monitors read it, and the history behind it is long.
{{ config(materialized='table') }}

with

default_events as (

    select * from {{ ref('stg_default_events') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

-- Versions that show a default, and later versions of a snapshot, which may withdraw one. They are few, so that one
-- scan of the history is enough.
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
