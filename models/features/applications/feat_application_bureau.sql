-- One row per application and as-of date whose applicant has a bureau file.
{{ application_bureau(ref('int_application_cases'), ref('int_bureau_files')) }}
