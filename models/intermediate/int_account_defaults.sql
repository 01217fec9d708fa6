-- One row per account that ever defaulted: the day on which it first did, by servicing or by report.
with

servicing as (

    select * from {{ ref('stg_loan_servicing') }}

),

default_events as (

    select * from {{ ref('stg_default_events') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

-- One row per account and sign of default.
signs as (

    select
        servicing.account_id,
        servicing.snapshot_date as defaulted_on
    from servicing
    cross join policy
    where
        servicing.days_past_due >= policy.default_days_past_due
        or servicing.account_status = 'charged_off'

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
