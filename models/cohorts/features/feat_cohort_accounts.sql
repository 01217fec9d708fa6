-- One row per account and cohort: every account feature of the training cases, by the SQL of feat_accounts.
{{ account_features(
    ref('feat_cohort_account_behaviour'),
    ref('feat_cohort_account_tenure'),
    ref('feat_cohort_account_bureau'),
    ref('feat_cohort_account_exposure')
) }}
