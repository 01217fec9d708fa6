-- One row per account with a default event: its first default as last reported.
{{ first_of_grain(ref('stg_default_event_versions'), ['account_id']) }}
