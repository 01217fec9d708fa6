-- One row per kept relation and change since the last run that brought it up to date. change says what changed:
--   whole       the whole relation must be computed again
--   kept_month  a month that it holds
--   new_month   a closed month that it lacks
--   load        a load with rows of a month, loaded later than loaded_after, that it has not seen
{{ config(materialized='table') }}

{%- set landing_tables = {
    'int_closed_months': ['loan_servicing', 'payments', 'accounts'],
    'int_bureau_pulls': ['bureau_pulls'],
} -%}
{%- set definitions = {
    'int_closed_months': closed_months_definition(),
    'int_bureau_pulls': bureau_pulls_definition(),
} -%}
{%- set months = {'int_closed_months': 'month_start', 'int_bureau_pulls': 'cast(null as date)'} %}

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

-- One row per kept relation, run that wrote rows of it, definition and month. source() and not ref(), because it
-- reads what earlier runs left there.
kept as (
    {% for name in landing_tables %}
        select distinct
            '{{ name }}' as kept_relation,
            kept_by,
            definition,
            {{ months[name] }} as month_start
        from (
            {{ rows_if_there(source('history', name), {'kept_by': 'varchar', 'definition': 'varchar', 'month_start': 'date'}
                if name == 'int_closed_months' else {'kept_by': 'varchar', 'definition': 'varchar'}) }}
        ) as rows_of_relation
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- One row per kept relation and landing table that it is made from.
sources as (
        {% for name, tables in landing_tables.items() %}{% set relation_loop = loop %}{% for table in tables %}
        select
            '{{ name }}' as kept_relation,
            '{{ table }}' as relation_name
        {{ 'union all' if not (relation_loop.last and loop.last) }}
    {% endfor %}{% endfor %}
),

definitions as (
    {% for name, definition in definitions.items() %}
        select
            '{{ name }}' as kept_relation,
            '{{ definition }}' as definition
        {{ 'union all' if not loop.last }}
    {% endfor %}
),

-- One row: the last successful run. What int_landings calls new is new since that run.
last_run as (

    select
        runs.run_id,
        runs.rows_by_relation
    from {{ source('audit', 'run_log') }} as runs
    where runs.run_id in (select landed.seen_run_id from landed)

),

-- One row per kept relation and earlier run whose landed rows it may be made from.
earlier_runs as (

    select
        kept_relation,
        kept_by as run_id
    from kept

    union

    select
        definitions.kept_relation,
        last_run.run_id
    from definitions
    cross join last_run

),

-- Relations made from rows that this run does not see, as with an older cutoff.
no_longer_seen as (

    select distinct earlier_runs.kept_relation
    from earlier_runs
    inner join landings as before on earlier_runs.run_id = before.run_id
    inner join sources
        on
            earlier_runs.kept_relation = sources.kept_relation
            and before.relation_name = sources.relation_name
    left join landed
        on
            before.relation_name = landed.relation_name
            and before.month_start is not distinct from landed.month_start
            and before.load_id = landed.load_id
    where before.row_count > coalesce(landed.row_count, 0)

),

-- The month in which the ledger begins decides which months without payments count as unpaid.
ledgers as (

    select
        runs.run_id,
        min(landings.month_start) as month_start
    from (
        select run_id from run
        union
        select run_id from last_run
    ) as runs
    left join landings on runs.run_id = landings.run_id and landings.relation_name = 'payments'
    group by runs.run_id

),

snapshot_months as (

    select distinct {{ month_start('snapshot_date') }} as month_start
    from {{ ref('stg_snapshots') }}

),

-- A month is closed when a later month has a snapshot.
closed_months as (

    select
        'int_closed_months' as kept_relation,
        month_start
    from snapshot_months
    where month_start < (select max(months.month_start) from snapshot_months as months)

),

kept_months as (

    select distinct
        kept_relation,
        month_start
    from kept
    where month_start is not null

),

new_months as (

    select closed_months.*
    from closed_months
    left join kept_months
        on
            closed_months.kept_relation = kept_months.kept_relation
            and closed_months.month_start = kept_months.month_start
    where kept_months.month_start is null

),

whole as (

    select definitions.kept_relation
    from definitions
    where
        {{ 'true' if flags.FULL_REFRESH else 'false' }}
        -- Nothing is kept yet.
        or definitions.kept_relation not in (select kept.kept_relation from kept)
        -- It was computed by another definition, or by a run that int_landings does not know.
        or definitions.kept_relation in (
            select kept.kept_relation
            from kept
            inner join definitions as own on kept.kept_relation = own.kept_relation  -- noqa: RF02
            where
                kept.definition is distinct from own.definition
                or kept.kept_by not in (select landings.run_id from landings)
        )
        -- The last run did not build it, or there was no last run.
        or not exists (
            select 1
            from last_run
            where last_run.rows_by_relation like '%"intermediate.' || definitions.kept_relation || '"%'
        )
        or definitions.kept_relation in (select no_longer_seen.kept_relation from no_longer_seen)
        or (
            definitions.kept_relation = 'int_closed_months'
            and (select count(distinct coalesce(ledgers.month_start, cast('0001-01-01' as date))) from ledgers) > 1
        )
        -- Later months hold figures of the month before, which was missing when they were computed.
        or definitions.kept_relation in (
            select new_months.kept_relation
            from new_months
            inner join kept_months on new_months.kept_relation = kept_months.kept_relation
            where new_months.month_start < kept_months.month_start
        )

),

changes as (

    select
        kept_relation,
        'whole' as change,
        cast(null as date) as month_start,
        cast(null as varchar) as relation_name,
        cast(null as varchar) as load_id,
        cast(null as timestamp) as loaded_after
    from whole

    union all

    select
        kept_relation,
        'new_month' as change,
        month_start,
        null as relation_name,
        null as load_id,
        null as loaded_after
    from new_months

    union all

    -- Where the whole relation is computed again, its months count as new ones.
    select
        kept_months.kept_relation,
        case when whole.kept_relation is null then 'kept_month' else 'new_month' end as change,
        kept_months.month_start,
        null as relation_name,
        null as load_id,
        null as loaded_after
    from kept_months
    left join whole on kept_months.kept_relation = whole.kept_relation
    where
        whole.kept_relation is null
        or kept_months.month_start in (select closed_months.month_start from closed_months)

    union all

    select
        sources.kept_relation,
        'load' as change,
        landed.month_start,
        landed.relation_name,
        landed.load_id,
        landed.new_after as loaded_after
    from landed
    inner join sources on landed.relation_name = sources.relation_name
    where
        landed.new_after is not null
        and sources.kept_relation not in (select whole.kept_relation from whole)

)

select * from changes
