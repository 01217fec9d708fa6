-- One row per account and as-of date: the customer behind it, over all of the customer's accounts here.
{{ account_exposure(ref('int_account_book'), ref('int_customer_exposures')) }}
