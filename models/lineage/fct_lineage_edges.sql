-- One row per run and edge from a column to a column made from it. Edges come from the SQL, or from a Python model's
-- declaration. A run has the edges of the code that it ran, by manifest_digest.
{%- set weekly = ref('lineage_weekly') %}
with

runs as (

    select * from {{ ref('fct_runs') }}

),

edges as (

    select * from {{ ref('lineage_nightly') }}
    {#- In a unit test the relation has no schema. -#}
    {%- if execute and (not weekly.schema or load_relation(weekly)) %}

    union all

    select
        *
        {#- Edges that an earlier version of the project wrote lack these columns. -#}
        {%- set existing = adapter.get_columns_in_relation(weekly) | map(attribute='name') | map('lower') | list if weekly.schema else [] -%}
        {%- for name in ('from_model_name', 'to_model_name') if existing and name not in existing -%}
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
