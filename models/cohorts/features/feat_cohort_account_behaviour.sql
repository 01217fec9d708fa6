-- One row per account and cohort: feat_account_behaviour for training cases. Windows are always computed from the
-- panel, because closed windows are kept for tonight alone.
{{ over_months(windowed_features(), panel=ref('int_cohort_panel')) }}
