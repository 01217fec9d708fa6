-- One row per account and as-of date: how late the account has been, how often, how lately, and which way it moves.
with

account_months as (

    select * from {{ ref('int_account_months') }}

),

delinquency as (

    select
        account_id,
        as_of_date,
        {{ window_stat('days_past_due', 'last', 1, 'integer') }} as dpd_current,
        {{ window_stat('is_30_dpd', 'sum', 12, 'integer') }} as dpd_30_rollup,
        {{ window_stats('days_past_due', {'max': [3, 6, 12, 24]}, name='dpd', data_type='integer') }},
        {{ window_stats('days_past_due', {'avg': [3, 6, 12, 24], 'slope': [3, 6, 12]}, name='dpd') }},
        {{ window_stats('days_past_due', {'change': [1, 3, 6]}, name='dpd', data_type='integer') }},
        {{ window_stats('is_late', {'sum': [3, 6, 12, 24]}, name='late_months', data_type='integer') }},
        {{ window_stats('is_30_dpd', {'sum': [3, 6, 24]}, name='dpd_30_months', data_type='integer') }},
        {{ window_stats('is_60_dpd', {'sum': [6, 12, 24]}, name='dpd_60_months', data_type='integer') }},
        {{ window_stats('is_late', {'since': [24]}, name='months_from_late') }},
        {{ window_stats('is_30_dpd', {'since': [24]}, name='months_from_dpd_30') }},
        {{ window_stats('is_worse', {'sum': [3, 6, 12]}, name='roll_forward', data_type='integer') }},
        {{ window_stats('is_better', {'sum': [6, 12]}, name='cure', data_type='integer') }}
    from account_months
    group by account_id, as_of_date

)

select * from delinquency
