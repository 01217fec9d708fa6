-- One row per account and load known to this run: the terms from that load on.
{{ known_versions(
    source('raw', 'accounts'),
    columns=[
        'account_id',
        'customer_id',
        'product',
        'opened_on',
        'credit_limit',
        'apr',
        'term_months',
        'closed_on',
    ]
) }}
