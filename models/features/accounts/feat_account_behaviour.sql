-- One row per account and as-of date: how the account has behaved over the last months, in every window.
{{ over_months(behaviour_features()) }}
