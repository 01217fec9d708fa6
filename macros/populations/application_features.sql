{#
    All application features in one row.
    cases: made by application_terms.
    request, bureau_files, relationship: the relations of their families.
#}
{% macro application_features(cases, request, bureau_files, relationship) %}
with

applications as (

    select
        application_id,
        as_of_date
    from {{ cases }}

)

select *  -- noqa: RF02
from applications
left join {{ request }} using (application_id, as_of_date)
left join {{ bureau_files }} using (application_id, as_of_date)
left join {{ relationship }} using (application_id, as_of_date)
{% endmacro %}
