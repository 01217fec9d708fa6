-- One row per fact that answers for a score, as the relations of the audit trail have it now: what the audit log is extended
-- by, and compared with. Tables are read, no view, so that nothing stands between a fact and who asks.
{{ run_facts(source('audit', 'run_log')) }}

union all

{{ version_facts(source('audit', 'version_log'), has_artifact=true) }}

union all

{{ promotion_facts(source('audit', 'promotion_log'), has_account=true) }}

union all

select
    'gate_decision' as kind,
    model_name || ' ' || run_id || ' ' || rule as subject,
    decided_at as occurred_at,
    run_id,
    {{ json_text([
        'model_name', 'run_id', 'rule', 'as_of_date', 'mlflow_run_id', 'metric', 'measure', 'candidate_value',
        'champion_value', 'measured', 'comparison', 'threshold', 'severity', 'verdict', 'reason', 'decided_at',
    ]) }} as payload
from {{ source('verdicts', 'fct_gate_decisions') }}
