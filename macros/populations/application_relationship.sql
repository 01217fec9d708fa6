{#
    Features of what the applicant already owes this lender.
    cases: made by application_terms.
    exposures: made by customer_exposures.
#}
{% macro application_relationship(cases, exposures) %}
with

cases as (

    select * from {{ cases }}

),

exposures as (

    select * from {{ exposures }}

),

relationship as (

    select
        cases.application_id,
        cases.as_of_date,
        {{ flag('exposures.open_accounts > 0') }} as is_existing_borrower,
        {{ exposure_features('cases.as_of_date') }},
        cast({{ ratio('cases.stated_income', 'exposures.annual_income') }} as double) as stated_to_known_income
    from cases
    left join exposures
        on
            cases.customer_id = exposures.customer_id
            and cases.as_of_date = exposures.as_of_date

)

select * from relationship
{% endmacro %}
