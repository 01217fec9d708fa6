-- One row per account and report of its default known to this run: corrections beside what they correct.
{{ known_versions(
    source('raw', 'default_events'),
    columns=[
        'account_id',
        'defaulted_on',
        'reason',
    ]
) }}
