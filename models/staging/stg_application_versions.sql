-- One row per application and load known to this run. The free text is left out.
{{ known_versions(
    source('raw', 'applications'),
    columns=[
        'application_id',
        'customer_id',
        'applied_on',
        'product',
        'requested_amount',
        'requested_term_months',
        'stated_income',
        'purpose',
        'channel',
        'home_ownership',
        'employment_years',
        'decision',
        'account_id',
    ]
) }}
