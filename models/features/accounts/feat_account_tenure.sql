-- One row per account and as-of date: how old the account is, what product it is and on which terms.
{{ account_tenure(ref('int_account_book')) }}
