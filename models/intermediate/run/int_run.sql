-- One row: this run. Models that need the as-of date take it from here, and so wait for the input checks.
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
