-- One row per matured application: feat_application_request for training cases.
{{ application_request(ref('int_cohort_applications')) }}
