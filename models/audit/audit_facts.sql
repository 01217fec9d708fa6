-- One row per fact that answers for a score, as the tables of the audit trail have it now. The audit log is extended
-- from these rows and compared with them. It reads tables and never views, so that nothing stands between a fact and
-- its reader.
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
