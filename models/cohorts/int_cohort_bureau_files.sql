-- One row per customer, date of a training case and bureau enquiry of the 24 months before it. The same SQL as
-- int_bureau_files.
{{ bureau_files(ref('int_cohort_customers')) }}
