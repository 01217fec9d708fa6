-- One row per account, as-of date and month back from it (0 is the one that windows end with): the panel that windows
-- are defined on.
{{ account_panel(ref('int_open_months')) }}
