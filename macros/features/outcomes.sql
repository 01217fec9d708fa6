{#
    The label: 1 for an account whose first default lies on or before a day, 0 for any other. The one definition, for
    training and for whoever looks at a score afterwards. defaulted_on: of int_account_defaults, null without a default.
#}
{% macro has_defaulted(defaulted_on, through) -%}
    cast(coalesce({{ defaulted_on }} <= {{ through }}, false) as integer)
{%- endmacro %}

{#
    Condition that the outcome window of a date has been observed from its first day to its last. Needs `run` and `policy`,
    over int_run and int_policy.
#}
{% macro outcome_is_observed(date) -%}
    {{ add_months(date, 'policy.outcome_months') }} <= coalesce(policy.observed_through, run.as_of_date)
    and (policy.observed_from is null or {{ days_between(date, 'policy.observed_from') }} <= 1)
{%- endmacro %}
