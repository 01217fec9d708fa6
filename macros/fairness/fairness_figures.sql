{#
    A query for fairness figures by group, with their status: the columns of fct_fairness.

    steps: relation with model_name, attribute, group_name, is_adverse, pd_step, case_count and default_count, which is
    null where outcomes are unknown.
    population: what fct_fairness calls these cases.
    scored_by: relation with one row per model_name.
    mlflow_run_id, model_version: its columns that say what scored the cases.

    All sums are of whole numbers.
#}
{% macro fairness_figures(steps, population, scored_by, mlflow_run_id='null', model_version='null') -%}
{%- set is_compared = "(figures.metric like '%difference' or figures.metric = 'approval_rate_ratio')" -%}
{%- set measured -%}
    case rules.measure when 'value' then described.value when 'low' then described.low when 'high' then described.high end
{%- endset -%}
with

steps as (

    select
        model_name,
        attribute,
        group_name,
        is_adverse,
        pd_step,
        cast(case_count as bigint) as case_count,
        cast(default_count as bigint) as default_count
    from {{ steps }}

),

attributes as (

    select * from {{ ref('protected_attributes') }}

),

rules as (

    select * from {{ ref('fairness_rules') }}

),

cutoffs as (

    select * from {{ ref('int_fairness_cutoffs') }}

),

scored_by as (

    select
        model_name,
        cast({{ mlflow_run_id }} as varchar) as mlflow_run_id,
        cast({{ model_version }} as integer) as model_version
    from {{ scored_by }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per model, attribute and group.
group_counts as (

    select
        model_name,
        attribute,
        group_name,
        sum(case_count) as case_count,
        sum(default_count) as default_count,
        sum(case_count) - sum(default_count) as good_count,
        sum(case when is_adverse then 0 else case_count end) as approved_count,
        sum(case when is_adverse then case_count - default_count else 0 end) as good_adverse_count,
        sum(case when is_adverse then 0 else default_count end) as default_approved_count,
        cast(sum(case_count * pd_step) as double) / nullif(cast(sum(case_count) as double), 0) / 1000000 as mean_pd
    from steps
    group by model_name, attribute, group_name

),

-- One row per model and attribute: the group that the others are compared with.
reference as (

    select
        group_counts.model_name,
        group_counts.attribute,
        coalesce(attributes.reference_group, group_counts.group_name) as reference_group,
        attributes.min_cases,
        attributes.min_defaults
    from group_counts
    inner join attributes on group_counts.attribute = attributes.attribute
    {{ first_is_reference('group_counts', ['model_name', 'attribute']) }}

),

-- One row per group and rate whose base has cases.
counted as (

    {%- for metric, events, base in [
        ('approval_rate', 'approved_count', 'case_count'),
        ('false_positive_rate', 'good_adverse_count', 'good_count'),
        ('false_negative_rate', 'default_approved_count', 'default_count'),
        ('default_rate', 'default_count', 'case_count'),
    ] %}

    select
        model_name,
        attribute,
        group_name,
        '{{ metric }}' as metric,
        {{ events }} as event_count,
        {{ base }} as base_count
    from group_counts
    where {{ base }} > 0 and {{ events }} is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

known as (

    select
        model_name,
        attribute,
        group_name,
        pd_step,
        case_count,
        default_count
    from steps
    where default_count is not null

),

discrimination as (

    {{ performance('known', ['model_name', 'attribute', 'group_name']) }}

),

-- One row per group and figure with an interval of its own.
measured as (

    select
        model_name,
        attribute,
        group_name,
        metric,
        base_count,
        {{ quotient('event_count', 'base_count') }} as value,
        {{ wilson('event_count', 'base_count', 'low') }} as low,
        {{ wilson('event_count', 'base_count', 'high') }} as high
    from counted

    union all

    select
        model_name,
        attribute,
        group_name,
        metric,
        case_count as base_count,
        value,
        low,
        high
    from discrimination
    where metric = 'auc'

),

-- One row per figure, with the reference group's figure beside it.
compared as (

    select
        measured.model_name,
        measured.attribute,
        measured.group_name,
        measured.metric,
        measured.base_count,
        measured.value as own_value,
        measured.low as own_low,
        measured.high as own_high,
        reference_rows.value as other_value,
        reference_rows.low as other_low,
        reference_rows.high as other_high
    from measured
    inner join reference
        on
            measured.model_name = reference.model_name
            and measured.attribute = reference.attribute
    left join measured as reference_rows
        on
            measured.model_name = reference_rows.model_name
            and measured.attribute = reference_rows.attribute
            and measured.metric = reference_rows.metric
            and reference.reference_group = reference_rows.group_name

),

figures as (

    select
        model_name,
        attribute,
        group_name,
        metric,
        base_count,
        own_value as value,
        own_low as low,
        own_high as high,
        other_value as reference_value
    from compared

    union all

    select
        model_name,
        attribute,
        group_name,
        'approval_rate_ratio' as metric,
        base_count,
        {{ quotient('own_value', 'nullif(other_value, 0)') }} as value,
        {{ ratio_end('own_', 'other_', 'low') }} as low,
        {{ ratio_end('own_', 'other_', 'high') }} as high,
        other_value as reference_value
    from compared
    where metric = 'approval_rate'

    union all

    select
        model_name,
        attribute,
        group_name,
        metric || '_difference' as metric,
        base_count,
        own_value - other_value as value,
        {{ difference_end('own_', 'other_', 'low') }} as low,
        {{ difference_end('own_', 'other_', 'high') }} as high,
        other_value as reference_value
    from compared
    where metric in ('false_positive_rate', 'false_negative_rate', 'auc')

    union all

    select
        group_counts.model_name,
        group_counts.attribute,
        group_counts.group_name,
        'mean_pd' as metric,
        group_counts.case_count as base_count,
        group_counts.mean_pd as value,
        cast(null as double) as low,
        cast(null as double) as high,
        reference_rows.mean_pd as reference_value
    from group_counts
    inner join reference on group_counts.model_name = reference.model_name and group_counts.attribute = reference.attribute
    left join group_counts as reference_rows
        on
            group_counts.model_name = reference_rows.model_name
            and group_counts.attribute = reference_rows.attribute
            and reference.reference_group = reference_rows.group_name

    union all

    -- The PDs are what is tested, so they have no error of their own.
    select
        measured.model_name,
        measured.attribute,
        measured.group_name,
        'calibration_ratio' as metric,
        measured.base_count,
        {{ quotient('measured.value', 'nullif(group_counts.mean_pd, 0)') }} as value,
        {{ quotient('measured.low', 'nullif(group_counts.mean_pd, 0)') }} as low,
        {{ quotient('measured.high', 'nullif(group_counts.mean_pd, 0)') }} as high,
        cast(null as double) as reference_value
    from measured
    inner join group_counts
        on
            measured.model_name = group_counts.model_name
            and measured.attribute = group_counts.attribute
            and measured.group_name = group_counts.group_name
    where measured.metric = 'default_rate'

),

-- One row per figure, with the counts of its group and of the reference group.
described as (

    select
        figures.model_name,
        figures.attribute,
        figures.group_name,
        figures.metric,
        figures.base_count,
        {{ rounded('figures.value', 9) }} as value,
        -- The reference group compared with itself estimates nothing.
        case when not (figures.group_name = reference.reference_group and {{ is_compared }}) then {{ rounded('figures.low', 9) }} end
            as low,
        case when not (figures.group_name = reference.reference_group and {{ is_compared }}) then {{ rounded('figures.high', 9) }} end
            as high,
        {{ rounded('figures.reference_value', 9) }} as reference_value,
        reference.reference_group,
        group_counts.case_count,
        group_counts.default_count,
        coalesce(reference_rows.case_count, 0) as reference_case_count,
        coalesce(reference_rows.default_count, 0) as reference_default_count,
        reference.min_cases,
        reference.min_defaults,
        figures.metric in ('false_negative_rate_difference', 'calibration_ratio', 'auc_difference') as is_of_defaults,
        {{ is_compared }} as is_compared,
        figures.group_name = reference.reference_group as is_reference
    from figures
    inner join group_counts
        on
            figures.model_name = group_counts.model_name
            and figures.attribute = group_counts.attribute
            and figures.group_name = group_counts.group_name
    inner join reference
        on
            figures.model_name = reference.model_name
            and figures.attribute = reference.attribute
    left join group_counts as reference_rows
        on
            figures.model_name = reference_rows.model_name
            and figures.attribute = reference_rows.attribute
            and reference.reference_group = reference_rows.group_name

),

-- One row per figure, with the most severe rule that applies to it.
ruled as (

    select
        described.*,
        rules.severity,
        rules.description as rule_description,
        rules.measure,
        {{ measured }} as measured,
        rules.comparison,
        rules.threshold
    from described
    left join rules
        on
            described.metric = rules.metric
            and {{ meets(measured, 'rules.comparison', 'rules.threshold') }}
    qualify
        row_number() over (
            partition by described.model_name, described.attribute, described.group_name, described.metric
            order by case rules.severity when 'alert' then 0 when 'warn' then 1 else 2 end, rules.rule
        ) = 1

),

-- One row per metric that some rule checks.
judged_metrics as (

    select distinct metric
    from rules

),

judged as (

    select
        ruled.*,
        case
            when judged_metrics.metric is null then 'reported'
            when ruled.is_compared and ruled.is_reference then 'reference'
            when ruled.value is null
                or ruled.case_count < ruled.min_cases
                or (ruled.is_of_defaults and ruled.default_count < ruled.min_defaults)
                or (ruled.is_compared and ruled.reference_case_count < ruled.min_cases)
                or (ruled.is_compared and ruled.is_of_defaults and ruled.reference_default_count < ruled.min_defaults)
                then 'too_small'
            else coalesce(ruled.severity, 'ok')
        end as status
    from ruled
    left join judged_metrics on ruled.metric = judged_metrics.metric

),

explained as (

    select
        judged.*,
        case status
            when 'reported' then 'No rule checks it'
            when 'reference' then 'The group that others are compared with'
            when 'ok' then 'No rule is breached'
            when 'too_small'
                then
                    case
                        when case_count < min_cases or (is_of_defaults and default_count < min_defaults)
                            then
                                'Too small to judge: ' || cast(case_count as varchar) || ' cases'
                                || case
                                    when is_of_defaults then ' and ' || cast(coalesce(default_count, 0) as varchar) || ' defaults'
                                    else ''
                                end
                        when is_compared
                            and (
                                reference_case_count < min_cases
                                or (is_of_defaults and reference_default_count < min_defaults)
                            )
                            then
                                'The reference group ' || reference_group || ' is too small: '
                                || cast(reference_case_count as varchar) || ' cases'
                                || case
                                    when is_of_defaults then ' and ' || cast(reference_default_count as varchar) || ' defaults'
                                    else ''
                                end
                        else 'Not defined: no approvals in the reference group, or no PD'
                    end
            else
                rule_description || ': ' || metric || ' ' || measure || ' is ' || {{ number_text(rounded('measured', 4)) }} || ', '
                || case comparison when '<' then 'below ' else 'above ' end || {{ number_text('threshold') }}
        end as reason
    from judged

)

select
    explained.model_name,
    '{{ population }}' as population,
    explained.attribute,
    explained.group_name,
    explained.metric,
    run.as_of_date,
    explained.value,
    explained.low,
    explained.high,
    explained.reference_group,
    explained.reference_value,
    cast(explained.case_count as bigint) as case_count,
    cast(explained.default_count as bigint) as default_count,
    cast(explained.base_count as bigint) as base_count,
    explained.status,
    explained.reason,
    cutoffs.cutoff,
    scored_by.mlflow_run_id,
    scored_by.model_version,
    run.run_id
from explained
inner join cutoffs on explained.model_name = cutoffs.model_name
inner join scored_by on explained.model_name = scored_by.model_name
cross join run
{%- endmacro %}
