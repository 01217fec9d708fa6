-- One row per customer, past date of a training case and bureau enquiry before it. As int_bureau_files.
{{ bureau_files(ref('int_cohort_customers')) }}
