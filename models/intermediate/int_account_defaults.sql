-- One row per account that ever defaulted: the day on which it first did, by servicing or by report.
with

default_events as (

    select * from {{ ref('stg_default_events') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

-- Some version of the snapshot shows a default; the last one, which counts, need not.
suspects as (

    select servicing.*
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    where
        (servicing.account_id, servicing.snapshot_date) in (
            select
                shown.account_id,
                shown.snapshot_date
            from {{ ref('stg_loan_servicing_versions') }} as shown
            cross join policy
            where
                shown.days_past_due >= policy.default_days_past_due
                or shown.account_status = 'charged_off'
        )
    qualify {{ is_latest_version(['servicing.account_id', 'servicing.snapshot_date'], 'servicing') }}

),

-- One row per account and sign of default.
signs as (

    select
        suspects.account_id,
        suspects.snapshot_date as defaulted_on
    from suspects
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
