-- What a change of one landed column would affect: every column downstream of it, nearest first. The edges are those of
-- the last night and of the last training. The example is days_past_due of the servicing snapshots. Put another column
-- in its place. Where a relation holds rows of several models, a path keeps to the model that a step names.
with recursive

runs as (

    select
        run_id,
        cadence,
        started_at
    from {{ ref('fct_runs') }}
    where run_id in (select run_id from {{ ref('fct_lineage_edges') }})

),

last_runs as (

    select run_id
    from runs
    where cadence <> 'weekly'
    qualify row_number() over (order by started_at desc, run_id) = 1

    union all

    select run_id
    from runs
    where cadence <> 'nightly'
    qualify row_number() over (order by started_at desc, run_id) = 1

),

edges as (

    select distinct
        from_relation,
        from_column,
        from_model_name,
        to_relation,
        to_column,
        to_model_name
    from {{ ref('fct_lineage_edges') }}
    where run_id in (select run_id from last_runs)

),

steps as (

    select
        'raw.loan_servicing' as relation_name,
        'days_past_due' as column_name,
        cast(null as varchar) as model_name,
        0 as step

    union

    select
        edges.to_relation,
        edges.to_column,
        edges.to_model_name,
        steps.step + 1
    from steps
    inner join edges on steps.relation_name = edges.from_relation and steps.column_name = edges.from_column
    where
        steps.step < 25
        and coalesce(steps.model_name, edges.from_model_name, '') = coalesce(edges.from_model_name, steps.model_name, '')

)

select
    relation_name,
    column_name,
    min(step) as step
from steps
group by relation_name, column_name
order by step, relation_name, column_name
