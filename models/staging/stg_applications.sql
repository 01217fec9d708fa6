-- One row per application: its terms and its decision as last known. The free text stops here.
{{ first_of_grain(ref('stg_application_versions'), ['application_id']) }}
