-- One row per application: its terms and its decision as last known. The free text stops here.
{{ latest_known(
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
    ],
    grain=['application_id']
) }}
