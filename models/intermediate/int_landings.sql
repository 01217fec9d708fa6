-- One row per run, landing relation, calendar month and load: how many rows the run saw. What has landed since another
-- run is read off here, without reading the rows themselves.
{{ config(materialized='incremental', incremental_strategy='append') }}

with

run as (

    select * from {{ ref('int_run') }}

),

-- The long histories month by month; of the others it is enough to know the load.
landed as (

    {%- for relation_name, model, month in [
        ('loan_servicing', ref('stg_loan_servicing_versions'), month_start('snapshot_date')),
        ('payments', ref('stg_payment_versions'), month_start('paid_on')),
        ('bureau_pulls', ref('stg_bureau_pull_versions'), 'cast(null as date)'),
        ('accounts', ref('stg_account_versions'), 'cast(null as date)'),
    ] %}

    select
        '{{ relation_name }}' as relation_name,
        {{ month }} as month_start,
        _load_id as load_id,
        count(*) as row_count
    from {{ model }}
    group by {{ month }}, _load_id
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

{% if is_incremental() -%}
-- What a run that came to a good end has seen, tests and all.
seen as (

    select
        landings.relation_name,
        landings.month_start,
        landings.load_id,
        landings.row_count
    from {{ this }} as landings
    where
        landings.run_id in (
            select arg_max(run_id, started_at)
            from {{ source('audit', 'run_log') }}
            where outcome = 'succeeded' and run_id in (select run_id from {{ this }})
        )

),

{% else -%}
seen as (

    select *
    from landed
    where false

),

{% endif -%}
compared as (

    select
        landed.*,
        seen.load_id is null as is_new
    from landed
    left join seen
        on
            landed.relation_name = seen.relation_name
            and landed.month_start is not distinct from seen.month_start
            and landed.load_id = seen.load_id
            and landed.row_count = seen.row_count

)

select
    run.run_id,
    run.started_at,
    run.known_at,
    compared.relation_name,
    compared.month_start,
    compared.load_id,
    compared.row_count,
    compared.is_new
from compared
cross join run
