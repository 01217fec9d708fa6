-- One row per bureau enquiry, corrections applied, numbered within its customer: kept from night to night, and computed
-- again for the customers about whom something has landed.
{{ config(
    materialized='incremental',
    incremental_strategy='replace_stale',
    on_schema_change='sync_all_columns',
    stale_key='customer_id'
) }}

{%- set definition = local_md5(model.raw_code) %}

with

run as (

    select * from {{ ref('int_run') }}

),

landings as (

    select * from {{ ref('int_landings') }}

),

landed as (

    select landings.*
    from landings
    inner join run on landings.run_id = run.run_id

),

{% if is_incremental() -%}
{{ changes_since_kept({'bureau_pulls': (ref('stg_bureau_pull_versions'), 'cast(null as date)')}, definition) }},

-- A correction may move an enquiry to another customer: both are computed again.
stale_customers as (

    select pulls.customer_id
    from {{ ref('stg_bureau_pull_versions') }} as pulls
    cross join history
    where
        history.is_void
        or pulls.pull_id in (
            select changed.pull_id
            from {{ ref('stg_bureau_pull_versions') }} as changed
            inner join changes
                on changed._load_id = changes.load_id and changed._loaded_at > changes.loaded_after
        )
    group by pulls.customer_id

),

in_question as (

    select *
    from {{ ref('stg_bureau_pull_versions') }}
    where
        pull_id in (
            select pulls.pull_id
            from {{ ref('stg_bureau_pull_versions') }} as pulls
            inner join stale_customers on pulls.customer_id = stale_customers.customer_id
        )

),

{% else -%}
history as (

    select true as is_void

),

in_question as (

    select * from {{ ref('stg_bureau_pull_versions') }}

),

{% endif -%}
pulls as (

    select *
    from in_question
    qualify {{ is_latest_version(['pull_id']) }}

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
    '{{ definition }}' as definition,
    run.run_id as kept_by,
    case when history.is_void then 'history' else 'customer' end as kept_for
from pulls
cross join run
cross join history
{%- if is_incremental() %}
where pulls.customer_id in (select customer_id from stale_customers)
{%- endif %}
