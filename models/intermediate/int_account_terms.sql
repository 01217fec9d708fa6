-- One row per account version: its terms, and the as-of dates for which they are the ones known.
{{ config(materialized='table') }}

with

versions as (

    select
        *,
        {{ add_days('cast(_loaded_at as date)', -1) }} as known_from,
        row_number() over (partition by account_id order by _loaded_at, _load_id) as version_number
    from {{ ref('stg_account_versions') }}

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
    case when version_number > 1 then known_from else cast('0001-01-01' as date) end as known_from,
    coalesce(
        lead(known_from) over (partition by account_id order by version_number), cast('9999-12-31' as date)
    ) as known_before
from versions
