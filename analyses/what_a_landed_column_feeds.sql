-- What would be touched by a change of one landed column: every column downstream of it, nearest first. The column here is
-- the days past due of the servicing snapshots; put another in its place.
with recursive

edges as (

    select distinct
        from_relation,
        from_column,
        to_relation,
        to_column
    from {{ ref('fct_lineage_edges') }}

),

steps as (

    select
        'raw.loan_servicing' as relation_name,
        'days_past_due' as column_name,
        0 as step

    union

    select
        edges.to_relation,
        edges.to_column,
        steps.step + 1
    from steps
    inner join edges on steps.relation_name = edges.from_relation and steps.column_name = edges.from_column
    where steps.step < 25

)

select
    relation_name,
    column_name,
    min(step) as step
from steps
group by relation_name, column_name
order by step, relation_name, column_name
