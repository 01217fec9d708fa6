-- Every column that the PD of an account goes back to, by the SQL of the nights and of the trainings, and in how many steps.
with recursive

edges as (

    select distinct
        from_relation,
        from_column,
        to_relation,
        to_column,
        transformation
    from {{ ref('fct_lineage_edges') }}

),

steps as (

    select
        'marts.fct_account_scores' as relation_name,
        'pd' as column_name,
        0 as step

    union

    select
        edges.from_relation,
        edges.from_column,
        steps.step + 1
    from steps
    inner join edges on steps.relation_name = edges.to_relation and steps.column_name = edges.to_column
    where steps.step < 25

)

select
    relation_name,
    column_name,
    min(step) as step
from steps
group by relation_name, column_name
order by step, relation_name, column_name
