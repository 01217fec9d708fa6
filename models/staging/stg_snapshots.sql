-- One row per snapshot date: how many rows this run may see of it. Counted before corrections are folded in, because
-- it decides which dates exist and must stay cheap on a large book; a table, because half the project asks for it.
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
