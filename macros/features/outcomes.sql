{#
    The label: 1 for an account whose first default is on or before a date, 0 for any other. Training and monitoring
    share this definition.
    defaulted_on: of int_account_defaults, null without a default.
#}
{% macro has_defaulted(defaulted_on, through) -%}
    cast(coalesce({{ defaulted_on }} <= {{ through }}, false) as integer)
{%- endmacro %}

{#
    Condition that the whole outcome window of a date has been observed. It needs `run` and `policy`, over int_run and
    int_policy.
#}
{% macro outcome_is_observed(date) -%}
    {{ add_months(date, 'policy.outcome_months') }} <= coalesce(policy.observed_through, run.as_of_date)
    and (policy.observed_from is null or {{ days_between(date, 'policy.observed_from') }} <= 1)
{%- endmacro %}
