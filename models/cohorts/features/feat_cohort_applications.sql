-- One row per matured application: all application features for training cases, by the same SQL as feat_applications.
{{ config(materialized='table') }}

{{ application_features(
    ref('int_cohort_applications'),
    ref('feat_cohort_application_request'),
    ref('feat_cohort_application_bureau'),
    ref('feat_cohort_application_relationship')
) }}
