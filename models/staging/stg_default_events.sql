-- One row per account: its first default as last reported.
{{ latest_known(
    source('raw', 'default_events'),
    columns=[
        'account_id',
        'defaulted_on',
        'reason',
    ],
    grain=['account_id']
) }}
