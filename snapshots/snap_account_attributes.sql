{% snapshot snap_account_attributes %}
{#- One row per account and period with the same attributes, by when they were loaded. Only rows that landed since the
    last snapshot are compared with it. -#}
{{ config(schema='audit', unique_key='account_id', strategy='timestamp', updated_at='loaded_at', tags=['nightly']) }}

select
    account_id,
    customer_id,
    product,
    opened_on,
    credit_limit,
    apr,
    term_months,
    closed_on,
    _load_id as load_id,
    _loaded_at as loaded_at
from {{ ref('stg_account_versions') }}
where
    true
    {%- if execute and load_relation(this) %}
    and _loaded_at > (
        select coalesce(max(seen.loaded_at), cast('0001-01-01' as timestamp)) from {{ this }} as seen
    )
    {%- endif %}
qualify {{ is_latest_version(['account_id']) }}

{% endsnapshot %}
