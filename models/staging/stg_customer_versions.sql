-- One row per customer and load known to this run. Names and e-mail addresses are left out.
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
