-- One row per account and matured cohort: whether it defaulted within the outcome window. Accounts already in default
-- are left out. A default after the window does not count.
with

book as (

    select * from {{ ref('int_cohort_book') }}

),

cohorts as (

    select * from {{ ref('int_cohorts') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

defaults as (

    select * from {{ ref('int_account_defaults') }}

),

cases as (

    select
        book.account_id as entity_id,
        coalesce(book.customer_id, book.account_id) as customer_id,
        book.as_of_date,
        cohorts.recency,
        cohorts.cohorts,
        {{ has_defaulted('defaults.defaulted_on', 'cohorts.outcome_through') }} as is_default
    from book
    inner join cohorts on book.as_of_date = cohorts.as_of_date
    left join defaults on book.account_id = defaults.account_id
    where not book.is_in_default

),

{{ split_cases('cases', 'policy.holdout_cohorts', 'policy.holdout_percent') }}

select * from split_cases
