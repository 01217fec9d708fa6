{#
    CTEs that give each case its split: holdout, validation or train.

    The holdout is out of time. It takes the last `holdout_cohorts` cohorts, at most a third of all. From these it takes
    the customers whose hash falls below `holdout_percent`. Other cases of these cohorts get no split. A customer with a
    case in the holdout is in no other split. Another hash divides the other customers between validation and train, so
    that nobody is in two splits. With fewer than three cohorts, the policy's share of customers is held out instead.

    cases: entity_id, customer_id, as_of_date, recency (1 is the latest cohort), cohorts (how many), is_default.
    Needs a CTE `policy` over int_policy; gives a CTE `split_cases`.
#}
{% macro split_cases(cases, holdout_cohorts, holdout_percent) -%}
{%- set is_last_cohort = cases ~ '.recency <= ' ~ least_of([holdout_cohorts, 'floor(cast(' ~ cases ~ '.cohorts as double) / 3)']) -%}
placed as (

    select
        {{ cases }}.*,
        {{ is_last_cohort }} as is_last_cohort,
        case
            when {{ cases }}.cohorts >= 3
                then
                    {{ is_last_cohort }}
                    and {{ hash_bucket(cases ~ '.customer_id', 'holdout') }} < {{ holdout_percent }}
            else {{ hash_bucket(cases ~ '.customer_id', 'holdout') }} < policy.holdout_percent
        end as is_holdout,
        {{ hash_bucket(cases ~ '.customer_id', 'validation') }}
        < cast(policy.validation_percent * 100 as double) / (100 - policy.holdout_percent) as is_validation
    from {{ cases }}
    cross join policy

),

held_out_customers as (

    select distinct customer_id from placed where is_holdout

),

split_cases as (

    select
        placed.entity_id,
        placed.customer_id,
        placed.as_of_date,
        case
            when placed.is_holdout then 'holdout'
            when placed.is_validation then 'validation'
            else 'train'
        end as split,
        placed.is_default
    from placed
    left join held_out_customers on placed.customer_id = held_out_customers.customer_id
    where placed.is_holdout or (not placed.is_last_cohort and held_out_customers.customer_id is null)

)
{%- endmacro %}
