-- One row per application and as-of date: what the applicant already owes this lender.
{{ application_relationship(ref('int_application_cases'), ref('int_customer_exposures')) }}
