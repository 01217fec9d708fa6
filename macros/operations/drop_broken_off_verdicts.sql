{#
    Verdicts of a training that was killed before its end, on the candidates that this one judges again: it goes on with
    what was logged. What the audit log has entered stays, and so does the verdict on a candidate that has become another
    one, because a version may be registered on it.
#}
{% macro drop_broken_off_verdicts() -%}
    {%- if execute and load_relation(this) -%}
delete from {{ this }}
where
    run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs)
    and model_name || ' ' || coalesce(mlflow_run_id, '') in (
        select verdicts.model_name || ' ' || coalesce(verdicts.mlflow_run_id, '') from {{ ref('int_gate_verdicts') }} as verdicts
    )
    and model_name || ' ' || run_id || ' ' || rule not in (
        select entries.subject from {{ source('audit', 'audit_chain') }} as entries where entries.kind = 'gate_decision'
    )
    {%- endif -%}
{%- endmacro %}
