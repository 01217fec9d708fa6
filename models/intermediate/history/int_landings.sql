-- One row per run, landing table, calendar month and load: how many rows the run saw. These counts show what has
-- landed since another run, without reading the rows again.
{{ config(materialized='incremental', incremental_strategy='append', on_schema_change='sync_all_columns') }}

{%- set seen_run -%}
    select max_by(run_id, started_at) from {{ source('audit', 'run_log') }}
    where outcome = 'succeeded' and run_id in (select run_id from {{ this }})
{%- endset -%}
{%- set seen_at = "cast('0001-01-01' as timestamp)" -%}
{%- if is_incremental() -%}
    {%- set seen_at = value_of(
        'select max(known_at) from ' ~ this ~ ' where run_id = (' ~ seen_run ~ ')', 'timestamp', '0001-01-01'
    ) -%}
{%- endif %}

with

run as (

    select * from {{ ref('int_run') }}

),

-- Long histories are counted by month, the other tables by load alone. Rows are first grouped by day, because the few
-- days are then cheap to group by month.
landed as (

    {%- for relation_name, model, day in [
        ('loan_servicing', ref('stg_loan_servicing_versions'), 'snapshot_date'),
        ('payments', ref('stg_payment_versions'), 'paid_on'),
        ('bureau_pulls', ref('stg_bureau_pull_versions'), 'cast(null as date)'),
        ('accounts', ref('stg_account_versions'), 'cast(null as date)'),
        ('customers', ref('stg_customer_versions'), 'cast(null as date)'),
    ] %}

        select
            '{{ relation_name }}' as relation_name,
            {{ month_start('days.day') }} as month_start,
            days.load_id,
            cast(sum(days.row_count) as bigint) as row_count,
            cast(sum(days.rows_since) as bigint) as rows_since
        from (
            select
                {{ day }} as day,
                _load_id as load_id,
                count(*) as row_count,
                count(case when _loaded_at > {{ seen_at }} then 1 end) as rows_since
            from {{ model }}
            group by {{ day }}, _load_id
        ) as days
        group by {{ month_start('days.day') }}, days.load_id
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- What the last successful run saw. Its tests have passed, too.
seen as (
    {% if is_incremental() %}
        select
            relation_name,
            month_start,
            load_id,
            row_count
        from {{ this }}
        where run_id = ({{ seen_run }})
    {% else %}
        select *
        from landed
        where false
    {% endif %}
),

compared as (

    select
        landed.*,
        -- If more rows are new than were loaded since, some were stamped before they became visible. Any row of the
        -- load may be one of them.
        case
            when landed.row_count = seen.row_count then null
            when landed.row_count - coalesce(seen.row_count, 0) = landed.rows_since then {{ seen_at }}
            else cast('0001-01-01' as timestamp)
        end as new_after
    from landed
    left join seen
        on
            landed.relation_name = seen.relation_name
            and landed.month_start is not distinct from seen.month_start
            and landed.load_id = seen.load_id

)

select
    run.run_id,
    run.started_at,
    run.known_at,
    compared.relation_name,
    compared.month_start,
    compared.load_id,
    compared.row_count,
    compared.new_after,
    ({{ seen_run if is_incremental() else 'cast(null as varchar)' }}) as seen_run_id
from compared
cross join run
