{#
    Bureau enquiries of the 24 months before each customer and date.
    customer_dates: made by the macro of that name.
#}
{% macro bureau_files(customer_dates) %}
with

customer_dates as (

    select * from {{ customer_dates }}

),

bureau_pulls as (

    select * from {{ ref('int_bureau_pulls') }}

),

files as (

    select
        customer_dates.customer_id,
        customer_dates.as_of_date,
        bureau_pulls.pull_id,
        bureau_pulls.pull_number,
        {{ days_between('bureau_pulls.pulled_on', 'customer_dates.as_of_date') }} as days_ago,
        bureau_pulls.bureau_score,
        bureau_pulls.inquiries_6m,
        bureau_pulls.open_tradelines,
        bureau_pulls.total_utilization,
        bureau_pulls.worst_delinquency_24m,
        bureau_pulls.derogatory_count
    from bureau_pulls
    inner join customer_dates
        on
            bureau_pulls.customer_id = customer_dates.customer_id
            and bureau_pulls.pulled_on <= customer_dates.as_of_date
    where {{ months_between('bureau_pulls.pulled_on', 'customer_dates.as_of_date') }} < 24

)

select * from files
{% endmacro %}
