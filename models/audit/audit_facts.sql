-- One row per fact that answers for a score, as the relations of the audit trail have it now: what the audit log is extended
-- by, and compared with. Tables are read, no view, so that nothing stands between a fact and who asks for it.
{%- set gate_decisions = ref('fct_gate_decisions') %}

{{ run_facts(source('audit', 'run_log')) }}

union all

-- Not who approved it: that is told by the promotions, and changes with them.
select
    'model_version' as kind,
    model_name || ' version ' || model_version as subject,
    registered_at as occurred_at,
    cast(null as varchar) as run_id,
    {{ json_text([
        'model_name', 'model_version', 'mlflow_run_id', 'model_digest', 'algorithm', 'maker', 'run_id', 'registered_at',
        'metadata_digest', 'data_digest', 'git_commit',
    ]) }} as payload
from {{ ref('fct_model_versions') }}

union all

select
    'promotion' as kind,
    model_name || ' promotion ' || sequence as subject,
    promoted_at as occurred_at,
    cast(null as varchar) as run_id,
    {{ json_text([
        'model_name', 'sequence', 'action', 'model_version', 'previous_version', 'approver', 'change_request', 'actor',
        'promoted_at',
    ]) }} as payload
from {{ ref('fct_promotions') }}
{%- if execute and gate_decisions.schema and load_relation(gate_decisions) %}

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
from {{ gate_decisions }}
{%- endif %}
