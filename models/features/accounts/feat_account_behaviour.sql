-- One row per account and as-of date: how the account behaved, in every window.
{{ over_months(
    windowed_features(),
    panel=ref('int_account_panel'),
    open_months=ref('int_open_months'),
    closed_windows=ref('int_closed_windows')
) }}
