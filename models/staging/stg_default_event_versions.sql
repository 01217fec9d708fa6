-- One row per account and load known to this run that reports its default, corrected rows included.
{{ known_versions(
    source('raw', 'default_events'),
    columns=[
        'account_id',
        'defaulted_on',
        'reason',
    ]
) }}
