-- One row per account and cohort: feat_account_exposure of the training cases.
{{ account_exposure(ref('int_cohort_book'), ref('int_cohort_exposures')) }}
