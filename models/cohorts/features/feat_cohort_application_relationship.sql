-- One row per matured application: feat_application_relationship for training cases.
{{ application_relationship(ref('int_cohort_applications'), ref('int_cohort_exposures')) }}
