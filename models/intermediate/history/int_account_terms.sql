-- One row per version of an account's terms, with the as-of dates for which it was the known one.
{{ config(materialized='table') }}

{%- set key = engine_hash('account_id') -%}
{%- set account_versions = 'partition by account_id order by _loaded_at, _load_id' %}

with

versions as (

    select
        *,
        {{ add_days('cast(_loaded_at as date)', -1) }} as loaded_for
    from {{ ref('stg_account_versions') }}

),

-- Hashes of the accounts with several versions. Only these need to be sorted.
changed as (

    {{ repeated_keys('versions', ['account_id']) }}

),

dated as (

    select
        *,
        cast('0001-01-01' as date) as known_from,
        cast('9999-12-31' as date) as known_before
    from versions
    where {{ key }} not in (select changed.grain_key from changed)

    union all

    select
        *,
        case when row_number() over ({{ account_versions }}) > 1 then loaded_for else cast('0001-01-01' as date) end as known_from,
        coalesce(lead(loaded_for) over ({{ account_versions }}), cast('9999-12-31' as date)) as known_before
    from versions
    where {{ key }} in (select changed.grain_key from changed)

)

select
    account_id,
    customer_id,
    product,
    opened_on,
    credit_limit as original_limit,
    apr,
    term_months,
    _load_id,
    _loaded_at,
    known_from,
    known_before
from dated
