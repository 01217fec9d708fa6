-- One row per account, cohort and month back from it: the panel from which windows are computed. The same SQL as
-- int_account_panel.
{{ account_panel(ref('int_cohort_open_months')) }}
