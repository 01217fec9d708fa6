-- One row per account and cohort: all account features for training cases, by the same SQL as feat_accounts.
{{ account_features(
    ref('feat_cohort_account_behaviour'),
    ref('feat_cohort_account_tenure'),
    ref('feat_cohort_account_bureau'),
    ref('feat_cohort_account_exposure')
) }}
