-- One row per registered version and metric: what the gate measured on the holdout before the version was registered.
-- A version has no rows where this warehouse holds no gate decisions on it.
with

versions as (

    select * from {{ ref('fct_model_versions') }}

),

decisions as (

    {{ rows_if_there(ref('fct_gate_decisions'), {
        'model_name': 'varchar', 'mlflow_run_id': 'varchar', 'metric': 'varchar', 'candidate_value': 'double',
    }) }}

),

-- Several rules may judge one metric. Its value is the same in each of them.
figures as (

    select
        versions.model_name,
        versions.model_version,
        decisions.metric,
        max(decisions.candidate_value) as value
    from versions
    inner join decisions
        on
            versions.model_name = decisions.model_name
            and versions.mlflow_run_id = decisions.mlflow_run_id
    where decisions.metric in ('auc', 'ks', 'brier')
    group by versions.model_name, versions.model_version, decisions.metric

)

select
    model_name,
    cast(model_version as integer) as model_version,
    metric,
    {{ rounded('value', 6) }} as value
from figures

union all

select
    model_name,
    cast(model_version as integer) as model_version,
    'gini' as metric,
    {{ rounded('2 * value - 1', 6) }} as value
from figures
where metric = 'auc'
