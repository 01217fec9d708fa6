-- One row per fitted candidate of this run: whether the gate lets it be registered.
with

verdicts as (

    select * from {{ ref('int_gate_verdicts') }}

),

candidates as (

    select * from {{ ref('candidates') }}

),

failures as (

    select
        model_name,
        count(*) as rules,
        sum(case when verdict = 'fail' then 1 else 0 end) as failed_rules
    from verdicts
    group by model_name

)

select
    candidates.model_name,
    candidates.mlflow_run_id,
    candidates.maker,
    candidates.model_digest,
    candidates.data_digest,
    failures.failed_rules = 0 as is_passed
from candidates
inner join failures on candidates.model_name = failures.model_name
where candidates.status = 'fitted'
