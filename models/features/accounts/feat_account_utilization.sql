-- One row per account and as-of date: how heavily the account leans on its limit.
with

account_months as (

    select * from {{ ref('int_account_months') }}

),

utilization as (

    select
        account_id,
        as_of_date,
        {{ window_stat('utilization', 'last', 1) }} as utilization_current,
        {{ window_stats('utilization', {
            'avg': [3, 6, 12, 24], 'max': [3, 6, 12, 24], 'min': [6, 12], 'slope': [3, 6, 12], 'std': [6, 12],
            'change': [1, 3, 6, 12]
        }) }},
        {{ window_stats('is_over_limit', {'sum': [3, 6, 12]}, name='over_limit_months', data_type='integer') }},
        {{ window_stats('is_inactive', {'sum': [3, 6, 12]}, name='inactive_months', data_type='integer') }},
        {{ window_stats('is_paid_in_full', {'sum': [3, 6, 12]}, name='paid_in_full_months', data_type='integer') }}
    from account_months
    group by account_id, as_of_date

)

select * from utilization
