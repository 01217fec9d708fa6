-- One row per bureau enquiry as last corrected, numbered within its customer. Rows are kept from night to night. A
-- run computes again only customers with new or corrected enquiries.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='sync_all_columns',
    stale_key='customer_id'
) }}

{%- set versions, stale = ref('stg_bureau_pull_versions'), ref('int_stale_customers') -%}
{%- set is_whole = changes_of('int_bureau_pulls').is_whole or not is_incremental() %}

with

run as (

    select * from {{ ref('int_run') }}

),

{% if not is_whole -%}
affected_versions as (

    select *
    from {{ versions }}
    where
        pull_id in (
            select pull_id
            from {{ versions }}
            where customer_id in (select customer_id from {{ stale }})
        )

),

{% endif -%}
latest as (

    {{ first_of_grain(versions if is_whole else 'affected_versions', ['pull_id']) }}

),

-- Enquiries without a customer are dropped. A stale customer who has none left gives one row without an enquiry, so
-- that the old rows are deleted.
pulls as (
    {% if is_whole %}
        select *
        from latest
        where customer_id is not null
    {% else %}
        select
            stale_customers.customer_id,
            latest.* exclude (customer_id)  -- noqa: RF02
        from {{ stale }} as stale_customers
        left join latest on stale_customers.customer_id = latest.customer_id
    {% endif %}
)

select
    pulls.customer_id,
    pulls.pull_id,
    pulls.pulled_on,
    row_number() over (partition by pulls.customer_id order by pulls.pulled_on, pulls.pull_id) as pull_number,
    pulls.bureau_score,
    pulls.inquiries_6m,
    pulls.open_tradelines,
    pulls.total_utilization,
    pulls.worst_delinquency_24m,
    pulls.derogatory_count,
    '{{ bureau_pulls_definition() }}' as definition,
    run.run_id as kept_by,
    {{ "'history'" if is_whole else "case when pulls.pull_id is null then 'gone' else 'customer' end" }} as kept_for
from pulls
cross join run
