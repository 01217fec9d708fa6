-- One row per matured application: every application feature of the training cases, by the SQL of feat_applications.
{{ config(materialized='table') }}

{{ application_features(
    ref('int_cohort_applications'),
    ref('feat_cohort_application_request'),
    ref('feat_cohort_application_bureau'),
    ref('feat_cohort_application_relationship')
) }}
