-- One row per application: its terms and its decision as last known.
{{ first_of_grain(ref('stg_application_versions'), ['application_id']) }}
