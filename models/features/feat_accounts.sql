-- One row per account and as-of date: every account feature, for training and scoring alike.
{{ account_features(
    ref('feat_account_behaviour'),
    ref('feat_account_tenure'),
    ref('feat_account_bureau'),
    ref('feat_account_exposure')
) }}
