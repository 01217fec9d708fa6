-- One row per account, snapshot and load known to this run, corrected rows included.
{{ known_versions(
    source('raw', 'loan_servicing'),
    columns=[
        'account_id',
        'snapshot_date',
        'balance',
        'credit_limit',
        'scheduled_payment',
        'amount_paid',
        'days_past_due',
        'account_status',
    ]
) }}
