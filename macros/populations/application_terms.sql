{#
    A CTE with_terms: applications with the terms known on the date of each case.
    cases: name of a CTE with application_id, as_of_date and account_id.
#}
{% macro application_terms(cases) -%}
application_versions as (

    select * from {{ ref('stg_application_versions') }}

),

with_terms as (

    select
        {{ cases }}.application_id,
        {{ cases }}.as_of_date,
        {{ cases }}.account_id,
        application_versions.customer_id,
        application_versions.applied_on,
        application_versions.product,
        application_versions.requested_amount,
        application_versions.requested_term_months,
        application_versions.stated_income,
        application_versions.purpose,
        application_versions.channel,
        application_versions.home_ownership,
        application_versions.employment_years,
        application_versions.decision
    from {{ cases }}
    inner join application_versions on {{ cases }}.application_id = application_versions.application_id
    qualify
        row_number() over (
            partition by {{ cases }}.application_id, {{ cases }}.as_of_date
            order by {{ version_order_as_of('application_versions._loaded_at', 'application_versions._load_id', cases ~ '.as_of_date') }}
        ) = 1

)
{%- endmacro %}
