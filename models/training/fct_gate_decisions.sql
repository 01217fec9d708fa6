-- One row per model, training run and gate rule: every verdict so far.
select * from {{ ref('int_gate_verdicts') }}
