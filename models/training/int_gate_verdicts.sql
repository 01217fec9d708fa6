-- One row per candidate and gate rule: the figure, the threshold, the verdict and its reason.
{{ config(materialized='table') }}

with

candidates as (

    select * from {{ ref('candidates') }}

),

rules as (

    select * from {{ ref('gate_rules') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- Every candidate has the metric `fitted`: 1 if it was fitted, else 0. A candidate that was not fitted has no other
-- metric.
measurements as (

    select
        model_name,
        metric,
        value,
        low,
        high,
        champion_value,
        difference,
        difference_low,
        difference_high,
        p_value
    from {{ ref('gate_measurements') }}

    union all

    select
        model_name,
        'fitted' as metric,
        case when status = 'fitted' then 1 else 0 end as value,
        null as low,
        null as high,
        null as champion_value,
        null as difference,
        null as difference_low,
        null as difference_high,
        null as p_value
    from candidates

),

-- One row per model whose candidate was compared with a champion.
champions as (

    select distinct model_name
    from measurements
    where champion_value is not null

),

-- One row per candidate and rule. A model without a matured case (no_cases) is not judged.
judged as (

    select
        candidates.model_name,
        candidates.mlflow_run_id,
        candidates.status,
        candidates.reason as candidate_reason,
        rules.rule,
        rules.metric,
        rules.measure,
        rules.comparison,
        rules.threshold,
        rules.severity,
        rules.description,
        measurements.value as candidate_value,
        measurements.champion_value,
        champions.model_name is null and rules.measure like 'difference%' as is_without_champion,
        case rules.measure
            when 'value' then measurements.value
            when 'low' then measurements.low
            when 'high' then measurements.high
            when 'difference' then measurements.difference
            when 'difference_low' then measurements.difference_low
            when 'difference_high' then measurements.difference_high
            when 'p_value' then measurements.p_value
        end as measured
    from candidates
    cross join rules
    left join measurements
        on
            candidates.model_name = measurements.model_name
            and rules.metric = measurements.metric
    left join champions on candidates.model_name = champions.model_name
    where
        candidates.status != 'no_cases'
        and (candidates.status = 'fitted' or rules.metric = 'fitted')

),

decided as (

    select
        *,
        case
            when is_without_champion then 'not_applicable'
            -- On these engines NaN is greater than any threshold. It must not pass.
            when measured is null or measured - measured != 0 then 'fail'
            when {{ meets('measured', 'comparison', 'threshold') }} then 'pass'
            else 'fail'
        end as outcome
    from judged

)

select
    decided.model_name,
    run.run_id,
    decided.rule,
    run.as_of_date,
    decided.mlflow_run_id,
    decided.metric,
    decided.measure,
    decided.candidate_value,
    decided.champion_value,
    decided.measured,
    decided.comparison,
    cast(decided.threshold as double) as threshold,
    decided.severity,
    case when decided.outcome = 'fail' and decided.severity = 'warn' then 'warn' else decided.outcome end as verdict,
    case
        when decided.outcome = 'not_applicable' then decided.description || ': no champion to compare with'
        when decided.outcome = 'pass'
            then
                decided.description || ': ' || decided.metric || ' ' || decided.measure || ' '
                || {{ number_text(rounded('decided.measured', 4)) }} || ' ' || decided.comparison || ' '
                || {{ number_text('decided.threshold') }}
        when decided.status = 'refused' then decided.candidate_reason
        when decided.measured is null
            then decided.description || ': ' || decided.metric || ' ' || decided.measure || ' could not be measured'
        else
            'Failed: ' || decided.description || ': ' || decided.metric || ' ' || decided.measure || ' is '
            || {{ number_text(rounded('decided.measured', 4)) }} || ', must be ' || decided.comparison || ' '
            || {{ number_text('decided.threshold') }}
    end as reason,
    run.started_at as decided_at
from decided
cross join run
