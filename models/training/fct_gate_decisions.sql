-- One row per model, training run and gate rule: every verdict ever given.
{{ config(materialized='incremental', incremental_strategy='append') }}

select * from {{ ref('int_gate_verdicts') }}
