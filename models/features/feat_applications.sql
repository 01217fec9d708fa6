-- One row per application and as-of date: all application features. Training reads feat_cohort_applications instead.
{{ config(materialized='table') }}

{{ application_features(
    ref('int_application_cases'),
    ref('feat_application_request'),
    ref('feat_application_bureau'),
    ref('feat_application_relationship')
) }}
