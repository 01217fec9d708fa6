{#
    Features of the applicant's bureau file.
    cases: made by application_terms.
    bureau_files: made by the macro of that name.
#}
{% macro application_bureau(cases, bureau_files) %}
with

cases as (

    select * from {{ cases }}

),

bureau_files as (

    select * from {{ bureau_files }}

),

-- One row per customer and as-of date.
customer_files as (

    select
        customer_id,
        as_of_date,
        {{ bureau_features() }}
    from bureau_files
    where
        (customer_id, as_of_date) in (
            select
                cases.customer_id,
                cases.as_of_date
            from cases
        )
    group by customer_id, as_of_date

),

application_files as (

    select
        cases.application_id,
        customer_files.* exclude (customer_id),  -- noqa: RF02
        cast({{ ratio('cases.requested_amount', 'customer_files.bureau_score') }} as double) as requested_to_bureau_score
    from cases
    inner join customer_files
        on
            cases.customer_id = customer_files.customer_id
            and cases.as_of_date = customer_files.as_of_date

)

select * from application_files
{% endmacro %}
