-- One row per payment, corrections applied.
{{ latest_known(
    source('raw', 'payments'),
    columns=[
        'payment_id',
        'account_id',
        'paid_on',
        'amount',
        'method',
        'is_returned',
    ],
    grain=['payment_id']
) }}
