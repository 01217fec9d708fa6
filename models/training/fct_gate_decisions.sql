-- One row per model, training run and gate rule: every verdict ever given.
{{ config(materialized='incremental', incremental_strategy='append', pre_hook="{{ drop_broken_off_verdicts() }}") }}

select * from {{ ref('int_gate_verdicts') }}
