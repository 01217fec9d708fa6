-- One row per snapshot date: how many rows this run may see of it. Corrections count as rows of their own, because
-- applying them is expensive on a large book. It is a table, because many models read it.
{{ config(materialized='table') }}

select
    snapshot_date,
    count(*) as row_count,
    min(_loaded_at) as first_loaded_at,
    max(_loaded_at) as last_loaded_at,
    min(_load_id) as first_load_id
from {{ source('raw', 'loan_servicing') }}
where _loaded_at <= {{ known_at() }}
group by snapshot_date
