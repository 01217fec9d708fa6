-- One row: what this run is. Every model that needs the as-of date takes it from here, and so waits for the input checks.
{{ config(materialized='table') }}

{{- stop_on_bad_input(ref('fct_input_checks'), ref('input_rules')) }}

select
    {{ text_literal(invocation_id) }} as run_id,
    '{{ cadence() }}' as cadence,
    as_of_date,
    known_at,
    actor,
    pinned_versions,
    {{ started_at() }} as started_at
from {{ ref('int_night') }}
