-- One row per training run, model, alternative and protected attribute: performance and fairness against the selected
-- candidate.
with

figures as (

    select * from {{ ref('alternative_figures') }}

),

counts as (

    select * from {{ ref('alternative_counts') }}

),

rules as (

    select * from {{ ref('alternative_rules') }}

),

candidates as (

    select * from {{ ref('candidates') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per alternative.
performance as (

    select
        {%- for metric in ['auc', 'ks', 'brier'] %}
            max(case when metric = '{{ metric }}' then value end) as {{ metric }},
            max(case when metric = '{{ metric }}' then difference end) as {{ metric }}_difference,
            max(case when metric = '{{ metric }}' then difference_low end) as {{ metric }}_difference_low,
            max(case when metric = '{{ metric }}' then difference_high end) as {{ metric }}_difference_high,
        {%- endfor %}
        model_name,
        role
    from figures
    where attribute is null
    group by model_name, role

),

-- One row per alternative and attribute.
sizes as (

    select
        model_name,
        role,
        attribute,
        sum(case_count) as case_count,
        sum(approved_count) as approved_count,
        count(case when is_large_enough then 1 end) as group_count,
        count(case when not is_large_enough then 1 end) as small_group_count
    from counts
    group by model_name, role, attribute

),

-- One row per figure and rule on it. A figure that could not be measured meets no rule.
rule_figures as (

    select
        figures.model_name,
        figures.role,
        figures.attribute,
        rules.effect,
        rules.comparison,
        rules.threshold,
        case rules.measure
            when 'value' then figures.value
            when 'difference' then figures.difference
            when 'difference_low' then figures.difference_low
            when 'difference_high' then figures.difference_high
        end as measured
    from figures
    inner join rules on figures.metric = rules.metric

),

rule_results as (

    select
        model_name,
        role,
        attribute,
        effect,
        case
            when measured is null or measured - measured != 0 then 0
            when {{ meets('measured', 'comparison', 'threshold') }} then 1
            else 0
        end as is_held
    from rule_figures

),

-- One row per alternative.
performance_results as (

    select
        model_name,
        role,
        min(is_held) = 1 as is_no_worse
    from rule_results
    where effect = 'no_worse'
    group by model_name, role

),

-- One row per alternative and attribute.
fairness_results as (

    select
        model_name,
        role,
        attribute,
        min(case when effect = 'fairer' then is_held end) = 1 as is_fairer,
        coalesce(min(case when effect = 'as_fair' then is_held end), 1) = 1 as is_as_fair
    from rule_results
    where effect != 'no_worse'
    group by model_name, role, attribute

),

ratios as (

    select * from figures
    where metric = 'worst_ratio'

),

joined as (

    select
        sizes.*,
        ratios.group_name as worst_group,
        ratios.value as worst_ratio,
        ratios.difference as worst_ratio_difference,
        ratios.difference_low as worst_ratio_difference_low,
        ratios.difference_high as worst_ratio_difference_high,
        performance_results.is_no_worse,
        case when ratios.value is not null then fairness_results.is_fairer end as is_fairer,
        -- An attribute without groups to compare does not count against the alternative.
        min(case when ratios.value is null or fairness_results.is_as_fair then 1 else 0 end) over (
            partition by sizes.model_name, sizes.role
        ) = 1 as is_as_fair_in_all
    from sizes
    inner join ratios
        on
            sizes.model_name = ratios.model_name
            and sizes.role = ratios.role
            and sizes.attribute = ratios.attribute
    left join performance_results
        on
            sizes.model_name = performance_results.model_name
            and sizes.role = performance_results.role
    left join fairness_results
        on
            sizes.model_name = fairness_results.model_name
            and sizes.role = fairness_results.role
            and sizes.attribute = fairness_results.attribute

)

select
    joined.model_name,
    run.run_id,
    run.as_of_date,
    case joined.role
        when 'selected' then candidates.algorithm
        when 'runner_up' then candidates.runner_up
        when 'benchmark' then 'logistic_benchmark'
        else joined.role
    end as alternative,
    joined.role,
    joined.attribute,
    candidates.mlflow_run_id,
    {%- for metric in ['auc', 'ks', 'brier'] %}
        performance.{{ metric }},
        performance.{{ metric }}_difference,
        performance.{{ metric }}_difference_low,
        performance.{{ metric }}_difference_high,
    {%- endfor %}
    {{ rounded(quotient('joined.approved_count', 'joined.case_count'), 9) }} as approval_rate,
    joined.worst_group,
    joined.worst_ratio,
    joined.worst_ratio_difference,
    joined.worst_ratio_difference_low,
    joined.worst_ratio_difference_high,
    cast(joined.group_count as bigint) as group_count,
    cast(joined.small_group_count as bigint) as small_group_count,
    case when joined.role != 'selected' then joined.is_no_worse end as is_no_worse,
    case when joined.role != 'selected' then joined.is_fairer end as is_fairer,
    joined.role != 'selected'
    and coalesce(joined.is_no_worse and joined.is_fairer and joined.is_as_fair_in_all, false) as is_less_discriminatory,
    case
        when joined.role = 'selected' then 'The baseline for the other alternatives'
        when joined.is_fairer is null then 'No group is large enough to be compared'
        when joined.is_no_worse and joined.is_fairer and joined.is_as_fair_in_all
            then
                'Less discriminatory and no worse: consider it'
                || case when joined.worst_ratio_difference_low <= 0 then '; the gain in fairness may be chance' else '' end
        when joined.is_no_worse and joined.is_fairer then 'No worse and fairer here, but less fair for another attribute'
        when joined.is_fairer then 'Fairer, but worse in performance'
        when joined.is_no_worse then 'No worse in performance, but not fairer'
        else 'Worse in performance, and not fairer'
    end as finding
from joined
inner join performance
    on
        joined.model_name = performance.model_name
        and joined.role = performance.role
inner join candidates on joined.model_name = candidates.model_name
cross join run
