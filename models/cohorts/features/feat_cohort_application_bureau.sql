-- One row per matured application whose applicant had a bureau file: feat_application_bureau for training cases.
{{ application_bureau(ref('int_cohort_applications'), ref('int_cohort_bureau_files')) }}
