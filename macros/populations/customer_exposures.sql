{#
    What each customer owes this lender on each date.
    customer_dates: made by the macro of that name.
    book: made by account_book.
    dates: made by date_lags.
#}
{% macro customer_exposures(customer_dates, book, dates) %}
{%- set for_all_time = "coalesce(known_from = cast('0001-01-01' as date) and known_before = cast('9999-12-31' as date), false)" -%}
{%- set first_date = value_of('select min(as_of_date) from ' ~ customer_dates, 'date', '0001-03-01') %}

with

customer_dates as (

    select * from {{ customer_dates }}

),

terms as (

    select * from {{ ref('int_account_terms') }}

),

-- One row per account: its owner, the same in all versions. Most accounts have one version, valid for all time.
owners as (

    select
        account_id,
        customer_id,
        opened_on
    from terms
    where {{ for_all_time }}

    union all

    select
        account_id,
        min(customer_id) as customer_id,
        min(opened_on) as opened_on
    from terms
    where not {{ for_all_time }}
    group by account_id

),

book as (

    select * from {{ book }}

),

dates as (

    select * from {{ dates }}

),

customer_versions as (

    select * from {{ ref('stg_customer_versions') }}

),

-- Accounts and as-of dates whose state is known: those in the book, and accounts of its customers that are closed on
-- the exact date.
reported as (

    select
        account_id,
        as_of_date
    from book

    union all

    select
        servicing.account_id,
        servicing.snapshot_date as as_of_date
    from {{ ref('stg_loan_servicing_versions') }} as servicing
    inner join owners on servicing.account_id = owners.account_id
    where
        servicing.snapshot_date in (select dates.as_of_date from dates)
        and servicing.account_status in ('charged_off', 'closed')
        and (owners.customer_id, servicing.snapshot_date) in (
            select
                book.customer_id,
                book.as_of_date
            from book
        )

),

-- The others: accounts that are missing from the snapshot, and all accounts on a date between snapshots, which
-- applications can have.
accounts_to_look_up as (

    select
        owners.customer_id,
        owners.account_id,
        owners.opened_on,
        customer_dates.as_of_date
    from customer_dates
    inner join owners on customer_dates.customer_id = owners.customer_id
    where
        not exists (
            select 1
            from reported
            where owners.account_id = reported.account_id and customer_dates.as_of_date = reported.as_of_date
        )

),

-- One row per account and as-of date: its last state within forty days, so that a date between month-ends finds the
-- month-end before it.
looked_up as (

    select
        accounts_to_look_up.customer_id,
        accounts_to_look_up.as_of_date,
        accounts_to_look_up.opened_on,
        servicing.balance,
        servicing.credit_limit,
        servicing.scheduled_payment,
        servicing.days_past_due,
        servicing.account_status
    from accounts_to_look_up
    inner join {{ ref('stg_loan_servicing_versions') }} as servicing
        on
            accounts_to_look_up.account_id = servicing.account_id
            and accounts_to_look_up.as_of_date >= servicing.snapshot_date
    where
        {{ days_between('servicing.snapshot_date', 'accounts_to_look_up.as_of_date') }} <= 40
        and servicing.snapshot_date >= {{ add_days(first_date, -40) }}
    qualify
        row_number() over (
            partition by accounts_to_look_up.account_id, accounts_to_look_up.as_of_date
            order by servicing.snapshot_date desc, servicing._loaded_at desc, servicing._load_id desc
        ) = 1

),

account_states as (

    select
        customer_id,
        as_of_date,
        opened_on,
        balance,
        reported_limit as credit_limit,
        scheduled_payment,
        days_past_due,
        account_status
    from book

    union all

    select * from looked_up

),

exposures as (

    select
        customer_id,
        as_of_date,
        count(*) as open_accounts,
        sum(balance) as balance,
        sum(credit_limit) as credit_limit,
        sum(scheduled_payment) as scheduled_payment,
        max(days_past_due) as worst_days_past_due,
        sum({{ flag('days_past_due > 0') }}) as late_accounts,
        max(balance) as largest_balance,
        min(opened_on) as first_opened_on,
        max(opened_on) as last_opened_on
    from account_states
    where
        coalesce(account_status, 'current') not in ('charged_off', 'closed')
        -- An account that an application opened on its own date would reveal the approval.
        and (opened_on is null or opened_on < as_of_date)
    group by customer_id, as_of_date

),

income_versions as (

    select
        customer_dates.customer_id,
        customer_dates.as_of_date,
        customer_versions.annual_income,
        customer_versions.employment_status,
        customer_versions._loaded_at,
        customer_versions._load_id
    from customer_dates
    inner join customer_versions on customer_dates.customer_id = customer_versions.customer_id

),

-- One row per customer and as-of date: the income known then.
incomes as (

    {{ first_of_grain(
        'income_versions', ['customer_id', 'as_of_date'], version_order_as_of('_loaded_at', '_load_id', 'as_of_date')
    ) }}

),

joined as (

    select
        customer_dates.customer_id,
        customer_dates.as_of_date,
        coalesce(exposures.open_accounts, 0) as open_accounts,
        exposures.balance,
        exposures.credit_limit,
        exposures.scheduled_payment,
        exposures.worst_days_past_due,
        case when exposures.open_accounts is null then 0 else exposures.late_accounts end as late_accounts,
        exposures.largest_balance,
        exposures.first_opened_on,
        exposures.last_opened_on,
        incomes.annual_income,
        incomes.employment_status
    from customer_dates
    left join exposures
        on
            customer_dates.customer_id = exposures.customer_id
            and customer_dates.as_of_date = exposures.as_of_date
    left join incomes
        on
            customer_dates.customer_id = incomes.customer_id
            and customer_dates.as_of_date = incomes.as_of_date

)

select * from joined
{% endmacro %}
