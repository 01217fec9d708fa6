-- One row per customer version known to this run. Names and e-mail addresses stop here.
{{ known_versions(
    source('raw', 'customers'),
    columns=[
        'customer_id',
        'birth_date',
        'state',
        'employment_status',
        'annual_income',
    ]
) }}
