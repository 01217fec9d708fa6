-- One row per model, training run and gate rule: every verdict ever given.
select * from {{ ref('int_gate_verdicts') }}
