-- One row per account and snapshot: the state last known, corrections applied.
{{ latest_known(
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
    ],
    grain=['account_id', 'snapshot_date']
) }}
