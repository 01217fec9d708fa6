-- One row per account and as-of date: all account features. Training reads feat_cohort_accounts instead.
{{ account_features(
    ref('feat_account_behaviour'),
    ref('feat_account_tenure'),
    ref('feat_account_bureau'),
    ref('feat_account_exposure')
) }}
