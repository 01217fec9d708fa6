-- One row per open account and as-of date: expected loss under IFRS 9, accounts in default included.
with

book as (

    select * from {{ ref('int_account_book') }}

),

scores as (

    select * from {{ ref('fct_account_scores') }}

),

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

exposures as (

    select
        book.account_id,
        book.as_of_date,
        book.product,
        book.is_in_default,
        book.days_past_due,
        run.run_id,
        case when book.is_in_default then 1.0 else scores.pd end as pd,
        case when book.product = 'credit_line' then policy.lgd_credit_line else policy.lgd_personal_loan end as lgd,
        cast(round(
            {{ at_least('book.balance', 0) }}
            + case
                when book.product = 'credit_line'
                    then policy.ccf_credit_line * {{ at_least('book.credit_limit - ' ~ at_least('book.balance', 0), 0) }}
                else 0
            end,
            2
        ) as decimal(18, 2)) as ead,
        case
            when book.is_in_default then 3
            when book.days_past_due > policy.sicr_days_past_due or scores.pd >= policy.sicr_pd then 2
            else 1
        end as ifrs9_stage,
        {{ at_least(
            "cast(case when book.product = 'credit_line' then policy.credit_line_life_months"
            ~ " else book.term_months - " ~ months_between('book.opened_on', 'book.as_of_date') ~ " end as double)",
            1
        ) }} as remaining_months,
        policy.outcome_months
    from book
    inner join run on book.as_of_date = run.as_of_date
    cross join policy
    left join scores
        on
            book.account_id = scores.account_id
            and book.as_of_date = scores.as_of_date

),

-- Lifetime PD from a constant hazard over the remaining life. Where that is unknown or shorter, the outcome window is
-- used.
losses as (

    select
        *,
        case
            when ifrs9_stage = 2
                then 1 - power(1 - pd, {{ at_least('coalesce(remaining_months, outcome_months)', 'outcome_months') }} / outcome_months)
            else pd
        end as loss_pd
    from exposures

)

select
    account_id,
    as_of_date,
    product,
    pd,
    cast(lgd as double) as lgd,
    ead,
    loss_pd,
    cast({{ rounded('loss_pd * cast(lgd as double) * cast(ead as double)', 2) }} as decimal(18, 2)) as expected_loss,
    cast(ifrs9_stage as integer) as ifrs9_stage,
    run_id
from losses
