{#
    The months of each account, counted back from each date.
    open_months: made by the macro of that name.
#}
{% macro account_panel(open_months) %}
{%- set months_ago = months_between('closed_months.month_start', 'open_months.as_of_date') ~ ' - open_months.month_lag' %}
with

open_months as (

    select *
    from {{ open_months }}
    where {{ in_turn('account_block') }}

),

closed_months as (

    select *
    from {{ ref('int_closed_months') }}
    where {{ in_turn('account_block') }}

),

panel as (

    select
        account_id,
        as_of_date,
        0 as months_ago,
        days_past_due_now,
        {{ measure_names() | join(',\n        ') }}
    from open_months

    union all

    select
        open_months.account_id,
        open_months.as_of_date,
        cast({{ months_ago }} as integer) as months_ago,
        cast(null as integer) as days_past_due_now,
        closed_months.{{ measure_names() | join(',\n        closed_months.') }}
    from closed_months
    inner join open_months
        on
            closed_months.account_id = open_months.account_id
            and closed_months.month_start < open_months.month_start
    where {{ months_ago }} between 1 and 24

)

select * from panel
{% endmacro %}
