{#
    What the input checks read, by landing table. This is the one place to add a table or a column to them.
      relation    versions known to the run
      day, days   the rows of so many days up to the as-of date are read; none: all rows
      amounts     amounts of money
      rates       fractions
      counts      whole numbers
      categories  columns with few different values
      dates       dates other than day
      flows       columns that add up during a month and start from zero in the next
      parents     column -> relation and column that must hold its value
#}
{% macro input_tables() -%}
    {%- set accounts, customers = (ref('stg_account_versions'), 'account_id'), (ref('stg_customer_versions'), 'customer_id') -%}
    {{ return({
        'customers': {
            'relation': ref('stg_customer_versions'), 'day': none, 'days': 0,
            'amounts': ['annual_income'], 'rates': [], 'counts': [],
            'categories': ['state', 'employment_status'], 'dates': ['birth_date'], 'flows': [], 'parents': {},
        },
        'accounts': {
            'relation': ref('stg_account_versions'), 'day': none, 'days': 0,
            'amounts': ['credit_limit'], 'rates': ['apr'], 'counts': ['term_months'],
            'categories': ['product'], 'dates': ['opened_on', 'closed_on'], 'flows': [], 'parents': {'customer_id': customers},
        },
        'loan_servicing': {
            'relation': ref('stg_loan_servicing_versions'), 'day': 'snapshot_date', 'days': 1,
            'amounts': ['balance', 'credit_limit', 'scheduled_payment', 'amount_paid'], 'rates': [],
            'counts': ['days_past_due'], 'categories': ['account_status'], 'dates': [], 'flows': ['amount_paid'],
            'parents': {'account_id': accounts},
        },
        'payments': {
            'relation': ref('stg_payment_versions'), 'day': 'paid_on', 'days': 31,
            'amounts': ['amount'], 'rates': [], 'counts': [], 'categories': ['method', 'is_returned'], 'dates': [], 'flows': [],
            'parents': {'account_id': accounts},
        },
        'bureau_pulls': {
            'relation': ref('stg_bureau_pull_versions'), 'day': 'pulled_on', 'days': 92,
            'amounts': [], 'rates': ['total_utilization'],
            'counts': [
                'bureau_score', 'inquiries_6m', 'open_tradelines', 'worst_delinquency_24m', 'derogatory_count',
            ],
            'categories': [], 'dates': [], 'flows': [], 'parents': {'customer_id': customers},
        },
        'applications': {
            'relation': ref('stg_application_versions'), 'day': 'applied_on', 'days': 92,
            'amounts': ['requested_amount', 'stated_income'], 'rates': ['employment_years'],
            'counts': ['requested_term_months'],
            'categories': ['product', 'purpose', 'channel', 'home_ownership', 'decision'], 'dates': [], 'flows': [],
            'parents': {'customer_id': customers},
        },
        'default_events': {
            'relation': ref('stg_default_event_versions'), 'day': 'defaulted_on', 'days': 365,
            'amounts': [], 'rates': [], 'counts': [], 'categories': ['reason'], 'dates': [], 'flows': [],
            'parents': {'account_id': accounts},
        },
    }) }}
{%- endmacro %}

{#
    The rows of a table that tonight's checks read, as a subquery; with `periods` 1, those of as many days before them.
    as_of_date: a literal, so that the engine skips the rest of a long history.
#}
{% macro input_rows(table, as_of_date, periods=0) -%}
    (select * from {{ table.relation }}
    {%- if table.day %}
    where
        {{ table.day }} > {{ add_days(as_of_date, -table.days * (periods + 1)) }}
        and {{ table.day }} <= {{ add_days(as_of_date, -table.days * periods) }}
    {%- endif %})
{%- endmacro %}

{# One measured figure as a row of int_input_profile. #}
{% macro input_figure(table_name, column_name, measure, value, source) -%}
select
    '{{ table_name }}' as table_name,
    {{ "'" ~ column_name ~ "'" if column_name else 'cast(null as varchar)' }} as column_name,
    cast(null as varchar) as category,
    '{{ measure }}' as measure,
    cast({{ value }} as double) as value
from {{ source }}
{%- endmacro %}
