-- One row: what this run is. Every model that needs the as-of date takes it from here, and so waits for the input checks.
{{ config(materialized='table') }}

{{- stop_on_bad_input(ref('fct_input_checks'), ref('input_rules'), ref('int_night')) }}

select
    run_id,
    as_of_date,
    known_at,
    actor,
    pinned_versions,
    started_at
from {{ ref('int_night') }}
