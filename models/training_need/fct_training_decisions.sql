-- One row per model and time that a training was considered: the decision and its reasons. A training fits all
-- models. So a need of one model is a need of all, and a rule that holds one back holds back all.
with

need as (

    select * from {{ ref('fct_training_need') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per model.
reasons as (

    select
        model_name,
        max(model_version) as model_version,
        sum(case when verdict = 'train' then 1 else 0 end) as rules_met,
        sum(case when verdict = 'hold' then 1 else 0 end) as rules_holding,
        sum(case when verdict = 'unknown' then 1 else 0 end) as rules_unknown,
        count(*) as rules,
        {{ texts_in_order("case when verdict = 'train' then reason end", 'rule') }} as met,
        {{ texts_in_order("case when verdict = 'hold' then reason end", 'rule') }} as holding,
        {{ texts_in_order("case when verdict not in ('train', 'hold') then reason end", 'rule') }} as unmet
    from need
    group by model_name

)

select
    reasons.model_name,
    run.run_id,
    run.as_of_date,
    case
        when sum(reasons.rules_holding) over () > 0 then 'wait'
        when sum(reasons.rules_met) over () > 0 then 'train'
        else 'wait'
    end as decision,
    case
        when reasons.rules_holding > 0 and reasons.rules_met > 0
            then 'held back: ' || replace(reasons.holding || chr(10) || reasons.met, chr(10), '; ')
        when reasons.rules_met > 0 then replace(reasons.met, chr(10), '; ')
        else 'no rule is met: ' || replace(reasons.unmet, chr(10), '; ')
    end as reason,
    cast(reasons.rules_met as bigint) as rules_met,
    cast(reasons.rules_unknown as bigint) as rules_unknown,
    cast(reasons.rules as bigint) as rules,
    reasons.model_version,
    run.actor,
    run.started_at as decided_at
from reasons
cross join run
