-- One row per run and edge from a column to one that was made of it: read off the SQL, or declared by a Python model. Which
-- code a run was made with says which edges are its own.
{%- set weekly = ref('lineage_weekly') %}
with

runs as (

    select * from {{ ref('fct_runs') }}

),

edges as (

    select * from {{ ref('lineage_nightly') }}
    {#- Rows of a unit test have no schema. -#}
    {%- if execute and (not weekly.schema or load_relation(weekly)) %}

    union all

    select
        *
        {#- A training of an earlier version left edges that do not say whose rows they are about. -#}
        {%- set there = adapter.get_columns_in_relation(weekly) | map(attribute='name') | map('lower') | list if weekly.schema else [] -%}
        {%- for name in ('from_model_name', 'to_model_name') if there and name not in there -%}
        ,
        cast(null as varchar) as {{ name }}
        {%- endfor %}
    from {{ weekly }}
    {%- endif %}

)

select
    runs.run_id,
    edges.from_relation,
    edges.from_column,
    edges.to_relation,
    edges.to_column,
    edges.transformation,
    edges.from_model_name,
    edges.to_model_name
from runs
inner join edges
    on
        runs.manifest_digest = edges.manifest_digest
        and runs.cadence in (edges.cadence, 'full')
