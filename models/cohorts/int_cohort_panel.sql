-- One row per account, cohort and month back from it: the panel that windows are defined on. As int_account_panel.
{{ account_panel(ref('int_cohort_open_months')) }}
