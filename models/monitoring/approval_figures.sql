-- One row per registered version and metric: what the gate measured of it on the holdout before it let it in. The record is
-- the training's; where this warehouse has none, because another trained the version, there is no row.
with

versions as (

    select * from {{ ref('fct_model_versions') }}

),

decisions as (

    {{ rows_if_there(ref('fct_gate_decisions'), {
        'model_name': 'varchar', 'mlflow_run_id': 'varchar', 'metric': 'varchar', 'candidate_value': 'double',
    }) }}

),

-- A metric may be judged by several rules; its value is the same in each.
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
