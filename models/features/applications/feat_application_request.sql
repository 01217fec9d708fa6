-- One row per application and as-of date: what is asked for and what the applicant says.
{{ application_request(ref('int_application_cases')) }}
