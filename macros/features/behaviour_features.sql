{#
    How an account behaved in each window, as columns for over_months().
#}
{% macro behaviour_features() -%}
    {%- set delinquency %}
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
    {% endset -%}

    {%- set utilization %}
        {{ window_stat('utilization', 'last', 1) }} as utilization_current,
        {{ window_stats('utilization', {
            'avg': [3, 6, 12, 24], 'max': [3, 6, 12, 24], 'min': [6, 12], 'slope': [3, 6, 12], 'std': [6, 12],
            'change': [1, 3, 6, 12]
        }) }},
        {{ window_stats('is_over_limit', {'sum': [3, 6, 12]}, name='over_limit_months', data_type='integer') }},
        {{ window_stats('is_inactive', {'sum': [3, 6, 12]}, name='inactive_months', data_type='integer') }},
        {{ window_stats('is_paid_in_full', {'sum': [3, 6, 12]}, name='paid_in_full_months', data_type='integer') }}
    {% endset -%}

    {%- set payments %}
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
    {% endset -%}

    {%- set balance %}
        {{ window_stat('balance', 'last', 1) }} as balance_current,
        {{ window_stats('balance', {
            'avg': [3, 6, 12, 24], 'max': [6, 12, 24], 'min': [6, 12], 'slope': [3, 6, 12], 'change': [1, 3, 6, 12]
        }) }},
        {{ window_stat('credit_limit', 'last', 1) }} as credit_limit_current,
        {{ window_stats('credit_limit', {'change': [6, 12]}) }},
        {{ window_stats('paydown', {'last': [1], 'sum': [3, 6, 12]}) }},
        {{ window_stats('paydown_ratio', {'last': [1], 'avg': [3, 6, 12], 'min': [6]}) }},
        {{ window_stat('balance', 'seen', 24) }} as months_observed_24m
    {% endset -%}
    {{ [delinquency, utilization, payments, balance] | join(',') }}
{%- endmacro %}
