-- One row per as-of date and account that is open on it: the population that is scored or trained on.
{{ config(materialized='table') }}

with

dates as (

    select * from {{ ref('int_as_of_dates') }}

),

servicing as (

    select * from {{ ref('stg_loan_servicing') }}

),

account_versions as (

    select * from {{ ref('stg_account_versions') }}

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

-- An account without a row on the very date is not carried forward: a stale state is not scored.
open_accounts as (

    select
        servicing.account_id,
        dates.as_of_date,
        dates.sample_share,
        servicing.balance,
        servicing.credit_limit,
        servicing.scheduled_payment,
        servicing.days_past_due,
        servicing.account_status
    from servicing
    inner join dates on servicing.snapshot_date = dates.as_of_date
    where coalesce(servicing.account_status, 'current') not in ('charged_off', 'closed')

),

-- One row per account and as-of date: the terms as they were known then.
terms as (

    select
        open_accounts.account_id,
        open_accounts.as_of_date,
        account_versions.customer_id,
        account_versions.product,
        account_versions.opened_on,
        account_versions.credit_limit as original_limit,
        account_versions.apr,
        account_versions.term_months
    from open_accounts
    inner join account_versions on open_accounts.account_id = account_versions.account_id
    qualify
        row_number() over (
            partition by open_accounts.account_id, open_accounts.as_of_date
            order by
                {{ version_order_as_of('account_versions._loaded_at', 'account_versions._load_id', 'open_accounts.as_of_date') }}
        ) = 1

),

book as (

    select
        open_accounts.account_id,
        open_accounts.as_of_date,
        terms.customer_id,
        terms.product,
        terms.opened_on,
        terms.original_limit,
        terms.apr,
        terms.term_months,
        open_accounts.balance,
        coalesce(open_accounts.credit_limit, terms.original_limit) as credit_limit,
        open_accounts.scheduled_payment,
        open_accounts.days_past_due,
        open_accounts.account_status,
        coalesce(defaults.defaulted_on <= open_accounts.as_of_date, false) as is_in_default
    from open_accounts
    inner join terms
        on
            open_accounts.account_id = terms.account_id
            and open_accounts.as_of_date = terms.as_of_date
    left join defaults on open_accounts.account_id = defaults.account_id
    -- Whole customers, and the same ones in every cohort, so that a sample has the exposures and the histories of a book.
    where
        coalesce(open_accounts.sample_share, 1) >= 1
        or {{ hash_share('coalesce(terms.customer_id, open_accounts.account_id)', 'training sample') }}
        < open_accounts.sample_share

)

select * from book
