-- One row per payment and load known to this run, corrected rows included.
{{ known_versions(
    source('raw', 'payments'),
    columns=[
        'payment_id',
        'account_id',
        'paid_on',
        'amount',
        'method',
        'is_returned',
    ]
) }}
