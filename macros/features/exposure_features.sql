{#
    What a customer owes this lender, as columns over a row of int_customer_exposures (alias exposures). Accounts and
    applications share it.
    date: the as-of date column.
#}
{% macro exposure_features(date) -%}
        cast(exposures.open_accounts as integer) as customer_open_accounts,
        cast(exposures.balance as double) as customer_balance,
        cast(exposures.credit_limit as double) as customer_credit_limit,
        cast({{ ratio('exposures.balance', 'exposures.credit_limit') }} as double) as customer_utilization,
        cast(exposures.worst_days_past_due as integer) as customer_worst_dpd,
        cast(exposures.late_accounts as integer) as customer_late_accounts,
        cast({{ ratio('exposures.largest_balance', 'exposures.balance') }} as double) as customer_concentration,
        cast({{ ratio('12 * exposures.scheduled_payment', 'exposures.annual_income') }} as double) as customer_payment_to_income,
        cast({{ ratio('exposures.balance', 'exposures.annual_income') }} as double) as customer_debt_to_income,
        cast(exposures.annual_income as double) as customer_income,
        {{ flag("exposures.employment_status = 'self_employed'") }} as is_self_employed,
        {{ flag("exposures.employment_status in ('unemployed', 'student')") }} as is_without_employment,
        cast({{ months_between('exposures.first_opened_on', date) }} as integer) as customer_months_as_borrower,
        cast({{ months_between('exposures.last_opened_on', date) }} as integer) as customer_months_from_last_opening
{%- endmacro %}
