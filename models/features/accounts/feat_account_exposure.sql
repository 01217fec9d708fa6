-- One row per account and as-of date: what its customer owes over all accounts with this lender.
{{ account_exposure(ref('int_account_book'), ref('int_customer_exposures')) }}
