-- One row per application and as-of date: what the applicant already owes this lender.
with

cases as (

    select * from {{ ref('int_application_cases') }}

),

exposures as (

    select * from {{ ref('int_customer_exposures') }}

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
