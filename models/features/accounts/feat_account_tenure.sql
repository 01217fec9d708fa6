-- One row per account and as-of date: its age, product and terms.
{{ account_tenure(ref('int_account_book')) }}
