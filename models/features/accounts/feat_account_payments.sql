-- One row per account and as-of date: how the account pays, from the servicing record and from the ledger.
with

account_months as (

    select * from {{ ref('int_account_months') }}

),

payments as (

    select
        account_id,
        as_of_date,
        {{ window_stats('amount_paid', {'last': [1], 'avg': [3, 6, 12], 'max': [6, 12], 'min': [6]}) }},
        {{ window_stats('payment_ratio', {'last': [1], 'avg': [3, 6, 12], 'min': [3, 6, 12], 'slope': [6], 'std': [12]}) }},
        {{ window_stats('paid_to_balance', {'last': [1], 'avg': [3, 6, 12], 'min': [6], 'max': [6]}) }},
        {{ window_stats('paid_to_limit', {'last': [1], 'avg': [3, 6, 12]}) }},
        {{ window_stats('shortfall', {'last': [1], 'sum': [3, 6, 12, 24], 'max': [6, 12]}) }},
        {{ window_stats('is_short_paid', {'sum': [3, 6, 12, 24]}, name='short_paid_months', data_type='integer') }},
        {{ window_stats('returned_count', {'sum': [1, 3, 6, 12, 24]}, name='returned_payments', data_type='integer') }},
        {{ window_stats('returned_amount', {'sum': [6, 12]}) }},
        {{ window_stats('returned_count', {'since': [24]}, name='months_from_return') }},
        {{ window_stats('days_late', {'last': [1], 'max': [3, 6, 12]}, data_type='integer') }},
        {{ window_stats('days_late', {'avg': [3, 6, 12, 24], 'slope': [6, 12]}) }},
        {{ window_stats('is_paid_late', {'sum': [3, 6, 12]}, name='paid_late_months', data_type='integer') }},
        {{ window_stats('is_unpaid', {'sum': [1, 3, 6, 12, 24]}, name='unpaid_months', data_type='integer') }},
        {{ window_stats('payment_count', {'sum': [3, 12]}, name='payments', data_type='integer') }}
    from account_months
    group by account_id, as_of_date

)

select * from payments
