-- One row per bureau enquiry and load known to this run, corrected rows included.
{{ known_versions(
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
    ]
) }}
