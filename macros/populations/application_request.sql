{#
    Features of what the applicant asks for.
    cases: made by application_terms.
#}
{% macro application_request(cases) %}
with

cases as (

    select * from {{ cases }}

),

request as (

    select
        application_id,
        as_of_date,
        {{ flag("product = 'credit_line'") }} as is_credit_line,
        cast(requested_amount as double) as requested_amount,
        cast(requested_term_months as integer) as requested_term_months,
        cast(stated_income as double) as stated_income,
        cast(employment_years as double) as employment_years,
        cast({{ ratio('requested_amount', 'stated_income') }} as double) as requested_to_income,
        cast({{ ratio('12 * requested_amount', 'requested_term_months * stated_income') }} as double) as instalment_to_income,
        {{ flag("purpose = 'debt_consolidation'") }} as is_purpose_debt_consolidation,
        {{ flag("purpose = 'home_improvement'") }} as is_purpose_home_improvement,
        {{ flag("purpose = 'medical'") }} as is_purpose_medical,
        {{ flag("purpose = 'car'") }} as is_purpose_car,
        {{ flag("purpose = 'education'") }} as is_purpose_education,
        {{ flag("purpose = 'business'") }} as is_purpose_business,
        {{ flag("channel = 'branch'") }} as is_channel_branch,
        {{ flag("channel = 'broker'") }} as is_channel_broker,
        {{ flag("channel = 'mobile'") }} as is_channel_mobile,
        {{ flag("home_ownership in ('own', 'mortgage')") }} as is_home_owner,
        {{ flag("home_ownership = 'mortgage'") }} as is_home_mortgaged
    from cases

)

select * from request
{% endmacro %}
