-- One row per bureau enquiry, corrections applied.
{{ latest_known(
    source('raw', 'bureau_pulls'),
    columns=[
        'pull_id',
        'customer_id',
        'pulled_on',
        'bureau_score',
        'inquiries_6m',
        'open_tradelines',
        'total_utilization',
        'worst_delinquency_24m',
        'derogatory_count',
    ],
    grain=['pull_id']
) }}
