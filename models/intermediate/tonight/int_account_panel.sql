-- One row per account, as-of date and month back from it: the panel from which windows are defined. Month 0 is the
-- month that windows end with.
{{ account_panel(ref('int_open_months')) }}
