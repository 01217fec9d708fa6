-- One row per account and as-of date: what is owed and how fast it is paid down.
with

account_months as (

    select * from {{ ref('int_account_months') }}

),

balance as (

    select
        account_id,
        as_of_date,
        {{ window_stat('balance', 'last', 1) }} as balance_current,
        {{ window_stats('balance', {
            'avg': [3, 6, 12, 24], 'max': [6, 12, 24], 'min': [6, 12], 'slope': [3, 6, 12], 'change': [1, 3, 6, 12]
        }) }},
        {{ window_stat('credit_limit', 'last', 1) }} as credit_limit_current,
        {{ window_stats('credit_limit', {'change': [6, 12]}) }},
        {{ window_stats('paydown', {'last': [1], 'sum': [3, 6, 12]}) }},
        {{ window_stats('paydown_ratio', {'last': [1], 'avg': [3, 6, 12], 'min': [6]}) }}
    from account_months
    group by account_id, as_of_date

)

select * from balance
