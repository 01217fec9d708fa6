-- One row per account: its first default as last reported.
{{ first_of_grain(ref('stg_default_event_versions'), ['account_id']) }}
