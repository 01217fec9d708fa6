-- One row per account and cohort: feat_account_exposure for training cases.
{{ account_exposure(ref('int_cohort_book'), ref('int_cohort_exposures')) }}
