{#
    The measures of one month of an account, as columns. Every window reads them, so that each measure has one
    definition.

    month: alias of a row with balance, credit_limit, scheduled_payment, amount_paid, days_past_due and account_status,
    and with opened_on from the terms known then.
    previous: prefix of columns balance and days_past_due of the month before, null where that month has no row.
    ledger: alias of a row with counts and amounts of the month's payments, null where it has none.
    in_ledger: condition that the lender's ledger covers the month. Outside it, a month without payments is not a missed
    payment.
#}
{% macro month_measures(month, previous, ledger, in_ledger) -%}
    {%- set days_late = 'cast(' ~ at_least(
        days_between(due_date(month ~ '.opened_on', ledger ~ '.last_good_on'), ledger ~ '.last_good_on'), 0
    ) ~ ' as integer)' -%}
        cast({{ month }}.days_past_due as integer) as days_past_due,
        {{ _month_flag(month ~ '.days_past_due > 0') }} as is_late,
        {{ _month_flag(month ~ '.days_past_due >= 30') }} as is_30_dpd,
        {{ _month_flag(month ~ '.days_past_due >= 60') }} as is_60_dpd,
        {{ _month_flag(month ~ '.days_past_due > ' ~ previous ~ 'days_past_due') }} as is_worse,
        {{ _month_flag(month ~ '.days_past_due < ' ~ previous ~ 'days_past_due') }} as is_better,

        {{ month }}.balance,
        {{ month }}.credit_limit,
        {{ ratio(month ~ '.balance', month ~ '.credit_limit') }} as utilization,
        {{ _month_flag(month ~ '.balance > ' ~ month ~ '.credit_limit') }} as is_over_limit,
        {{ previous }}balance - {{ month }}.balance as paydown,
        {{ ratio(previous ~ 'balance - ' ~ month ~ '.balance', previous ~ 'balance') }} as paydown_ratio,
        {{ _month_flag(month ~ ".account_status = 'inactive'") }} as is_inactive,
        {{ _month_flag(month ~ ".account_status = 'paid_in_full'") }} as is_paid_in_full,

        {{ month }}.amount_paid,
        {{ ratio(month ~ '.amount_paid', month ~ '.scheduled_payment') }} as payment_ratio,
        {{ ratio(month ~ '.amount_paid', previous ~ 'balance') }} as paid_to_balance,
        {{ ratio(month ~ '.amount_paid', month ~ '.credit_limit') }} as paid_to_limit,
        {{ at_least(month ~ '.scheduled_payment - ' ~ month ~ '.amount_paid', 0) }} as shortfall,
        {{ _month_flag(month ~ '.amount_paid < ' ~ month ~ '.scheduled_payment') }} as is_short_paid,

        case when {{ in_ledger }} then coalesce({{ ledger }}.payment_count, 0) end as payment_count,
        case when {{ in_ledger }} then coalesce({{ ledger }}.returned_count, 0) end as returned_count,
        case when {{ in_ledger }} then coalesce({{ ledger }}.returned_amount, 0) end as returned_amount,
        {{ days_late }} as days_late,
        {{ _month_flag(days_late ~ ' > 5') }} as is_paid_late,
        case when {{ in_ledger }} then {{ _month_flag('coalesce(' ~ ledger ~ '.good_count, 0) = 0') }} end as is_unpaid
{%- endmacro %}

{# A flag in one byte, because hundreds of millions of them are kept. #}
{% macro _month_flag(condition) -%}
    cast({{ flag(condition) }} as tinyint)
{%- endmacro %}

{#
    The measures that month_measures gives, in its order, and the kind of each. The kind decides how a night in
    mid-month reads it (int_open_months):
      state     how things stand at a moment: tonight's value
      lateness  a state that a cure must not hide: the worse of tonight and the last month-end
      flow      what happened during a month: the value of the last whole month
#}
{% macro measures() -%}
    {{ return({
        'days_past_due': 'lateness', 'is_late': 'lateness', 'is_30_dpd': 'lateness', 'is_60_dpd': 'lateness',
        'is_worse': 'flow', 'is_better': 'flow',
        'balance': 'state', 'credit_limit': 'state', 'utilization': 'state', 'is_over_limit': 'state',
        'paydown': 'flow', 'paydown_ratio': 'flow', 'is_inactive': 'state', 'is_paid_in_full': 'state',
        'amount_paid': 'flow', 'payment_ratio': 'flow', 'paid_to_balance': 'flow', 'paid_to_limit': 'flow',
        'shortfall': 'flow', 'is_short_paid': 'flow',
        'payment_count': 'flow', 'returned_count': 'flow', 'returned_amount': 'flow',
        'days_late': 'flow', 'is_paid_late': 'flow', 'is_unpaid': 'flow',
    }) }}
{%- endmacro %}

{# What last_month_measures needs of the month before, as columns <measure>_before. before: alias of its row. #}
{% macro measures_before(before) -%}
    {%- set columns = [] -%}
    {%- for measure, kind in measures().items() if kind != 'state' -%}
        {%- do columns.append(before ~ '.' ~ measure ~ ' as ' ~ measure ~ '_before') -%}
    {%- endfor -%}
    {{ columns | join(',\n        ') }}
{%- endmacro %}

{#
    The measures of the month that windows end with, over a row of month_measures and measures_before.
    is_counted_with: condition that the month is counted with the one before.
    has_before: condition that the month before has a row.
#}
{% macro last_month_measures(is_counted_with, has_before) -%}
    {%- set columns = [] -%}
    {%- for measure, kind in measures().items() -%}
        {%- set before = measure ~ '_before' -%}
        {%- do columns.append({
            'flow': 'case when ' ~ is_counted_with ~ ' and ' ~ has_before ~ ' then ' ~ before ~ ' else ' ~ measure ~ ' end as ' ~ measure,
            'lateness': 'case when ' ~ is_counted_with ~ ' then ' ~ greatest_of([measure, before]) ~ ' else ' ~ measure ~ ' end as ' ~ measure,
            'state': measure,
        }[kind]) -%}
    {%- endfor -%}
    {{ columns | join(',\n    ') }}
{%- endmacro %}

{# The names of measures(), in their order. #}
{% macro measure_names() -%}
    {{ return(measures().keys() | list) }}
{%- endmacro %}

{# What the ledger says of a month, as aggregates over its payments. payments: their alias. #}
{% macro ledger_measures(payments) -%}
    {%- set is_good = 'not coalesce(' ~ payments ~ '.is_returned, false)' -%}
        cast(count(*) as integer) as payment_count,
        cast(sum(case when {{ is_good }} then 0 else 1 end) as integer) as returned_count,
        cast(sum(case when {{ is_good }} then 0 else {{ payments }}.amount end) as decimal(18, 2)) as returned_amount,
        cast(sum(case when {{ is_good }} then 1 else 0 end) as integer) as good_count,
        max(case when {{ is_good }} then {{ payments }}.paid_on end) as last_good_on
{%- endmacro %}
