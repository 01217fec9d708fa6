-- One row per application and as-of date: what the applicant asks for and states.
{{ application_request(ref('int_application_cases')) }}
