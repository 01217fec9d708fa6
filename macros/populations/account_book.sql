{#
    Accounts open on each date, with their state and the terms known then.
    dates: relation of as_of_date and sample_share.
#}
{% macro account_book(dates) %}
with

dates as (

    select * from {{ dates }}

),

account_terms as (

    select * from {{ ref('int_account_terms') }}

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

-- One row per account and as-of date: the terms known then. A sample takes whole customers, the same in every cohort,
-- so that it has the exposures and the histories of a book.
terms as (

    select
        account_terms.*,
        dates.as_of_date
    from account_terms
    inner join dates
        on
            account_terms.known_from <= dates.as_of_date
            and account_terms.known_before > dates.as_of_date
    where
        coalesce(dates.sample_share, 1) >= 1
        or {{ hash_share('coalesce(account_terms.customer_id, account_terms.account_id)', 'training sample') }}
        < dates.sample_share

),

-- An account without a row on the exact date is left out: a stale state is not scored.
state_versions as (

    select
        servicing.*,
        terms.as_of_date,
        terms.customer_id,
        terms.product,
        terms.opened_on,
        terms.original_limit,
        terms.apr,
        terms.term_months
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join terms
        on
            servicing.account_id = terms.account_id
            and servicing.snapshot_date = terms.as_of_date
    -- Repeats the join, because only this condition lets the engine skip the snapshots of other dates.
    where servicing.snapshot_date in (select dates.as_of_date from dates)

),

states as (

    {{ first_of_grain('state_versions', ['account_id', 'as_of_date']) }}

),

book as (

    select
        states.account_id,
        states.as_of_date,
        {{ account_block('states.account_id') }} as account_block,
        states.customer_id,
        states.product,
        states.opened_on,
        states.original_limit,
        states.apr,
        states.term_months,
        states.balance,
        coalesce(states.credit_limit, states.original_limit) as credit_limit,
        states.credit_limit as reported_limit,
        states.scheduled_payment,
        states.amount_paid,
        states.days_past_due,
        states.account_status,
        coalesce(defaults.defaulted_on <= states.as_of_date, false) as is_in_default
    from states
    left join defaults on states.account_id = defaults.account_id
    where coalesce(states.account_status, 'current') not in ('charged_off', 'closed')

)

select * from book
{% endmacro %}
