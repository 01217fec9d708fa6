-- One row per account and cohort: feat_account_tenure for training cases.
{{ account_tenure(ref('int_cohort_book')) }}
