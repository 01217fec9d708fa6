-- One row per account and cohort: feat_account_behaviour of the training cases, by the plain definition of a window.
{{ over_months(behaviour_features(), panel=ref('int_cohort_panel')) }}
