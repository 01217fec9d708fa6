-- One row per customer, as-of date and bureau enquiry of the 24 months before it. The highest pull_number is the
-- latest.
{{ bureau_files(ref('int_customer_dates')) }}
