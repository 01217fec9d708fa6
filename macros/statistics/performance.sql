{#
    How well PDs rank and fit, from counts of cases per step of the PD: auc, gini, ks and brier with 95 % intervals.

    cases: relation or CTE with the keys, pd_step (the PD in millionths, a whole number), case_count and default_count.
    Where default_count is null, outcomes are unknown. Each case then counts as a default by its PD and as a good by the
    rest. The result is the figure to expect if the PDs are calibrated (confidence-based performance estimation).
    keys: the columns that identify a population.

    Gives the keys, metric, value, low, high, case_count and default_count, which is an expected number where outcomes
    are unknown. A metric that does not exist because a class is absent has no row.

    All sums are of whole numbers and decimals, so that neither threads nor the order of rows can change a digit.

    Sources: Hanley and McNeil (1982), Radiology 143:29-36, and DeLong et al. (1988), Biometrics 44:837-845, for the AUC
    and its variance by placements; Schisterman and Perkins (2007), Communications in Statistics 36:549-563, for the
    interval of the largest gap (there: Youden's index) at its own cut; Brier (1950), Monthly Weather Review 78:1-3.
#}
{% macro performance(cases, keys) -%}
{%- set keyed = keys | join(', ') -%}
with

-- Whole numbers of any type become wide enough to be multiplied.
counted as (

    select
        {{ keyed }},
        cast(pd_step as bigint) as pd_step,
        cast(case_count as bigint) as case_count,
        cast(default_count as bigint) as default_count
    from {{ cases }}

),

-- One row per population and step. Weights are cases in millionths.
weighted as (

    select
        {{ keyed }},
        pd_step,
        sum(case_count) as case_count,
        sum(coalesce(default_count * 1000000, case_count * pd_step)) as defaults,
        sum(case_count * 1000000 - coalesce(default_count * 1000000, case_count * pd_step)) as goods,
        -- The pairs of a default and a good that a case with unknown outcome would form with itself.
        sum(case when default_count is null then case_count * pd_step * (1000000 - pd_step) else 0 end) as self_pairs
    from counted
    group by {{ keyed }}, pd_step

),

running as (

    select
        *,
        sum(defaults) over (
            partition by {{ keyed }} order by pd_step rows between unbounded preceding and current row
        ) as defaults_up_to,
        sum(goods) over (
            partition by {{ keyed }} order by pd_step rows between unbounded preceding and current row
        ) as goods_up_to,
        sum(defaults) over (partition by {{ keyed }}) as all_defaults,
        sum(goods) over (partition by {{ keyed }}) as all_goods
    from weighted

),

-- of_default: share of goods below a default of the step. of_good: share of defaults above a good of it. Ties count
-- half.
placed as (

    select
        {{ keyed }},
        pd_step,
        case_count,
        self_pairs,
        all_defaults,
        all_goods,
        cast(defaults as decimal(20, 0)) as defaults,
        cast(goods as decimal(20, 0)) as goods,
        (cast(goods_up_to as double) - cast(goods as double) / 2) / nullif(cast(all_goods as double), 0) as of_default,
        1 - (cast(defaults_up_to as double) - cast(defaults as double) / 2)
        / nullif(cast(all_defaults as double), 0) as of_good,
        cast(defaults_up_to as double) / nullif(cast(all_defaults as double), 0) as defaults_below,
        cast(goods_up_to as double) / nullif(cast(all_goods as double), 0) as goods_below,
        power((1000000 - pd_step) / cast(1000000 as double), 2) as error_of_default,
        power(pd_step / cast(1000000 as double), 2) as error_of_good
    from running

),

ranked as (

    select
        *,
        row_number() over (
            partition by {{ keyed }} order by {{ rounded('abs(defaults_below - goods_below)', 12) }} desc, pd_step
        ) as gap_rank
    from placed

),

-- One row per population: class sizes in cases, and moments of placements and of squared errors.
moments as (

    select
        {{ keyed }},
        sum(case_count) as case_count,
        cast(max(all_defaults) as double) / 1000000 as default_count,
        cast(max(all_goods) as double) / 1000000 as good_count,
        cast(sum(self_pairs) as double)
        / nullif(cast(max(all_defaults) as double) * cast(max(all_goods) as double), 0) as self_share,
        {{ nightbook._weighted_mean('defaults', 'of_default', 'all_defaults') }} as auc,
        {{ nightbook._weighted_mean('defaults', 'of_default * of_default', 'all_defaults') }} as of_default_2,
        {{ nightbook._weighted_mean('goods', 'of_good * of_good', 'all_goods') }} as of_good_2,
        max(case when gap_rank = 1 then abs(defaults_below - goods_below) end) as ks,
        max(case when gap_rank = 1 then defaults_below * (1 - defaults_below) end) as defaults_variance,
        max(case when gap_rank = 1 then goods_below * (1 - goods_below) end) as goods_variance,
        (
            {{ nightbook._weighted_sum('defaults', 'error_of_default') }}
            + {{ nightbook._weighted_sum('goods', 'error_of_good') }}
        ) / cast(max(all_defaults + all_goods) as double) as brier,
        (
            {{ nightbook._weighted_sum('defaults', 'error_of_default * error_of_default') }}
            + {{ nightbook._weighted_sum('goods', 'error_of_good * error_of_good') }}
        ) / cast(max(all_defaults + all_goods) as double) as brier_2
    from ranked
    group by {{ keyed }}

),

-- Half the width of each 95 % interval, before it is cut to the possible range.
margins as (

    select
        *,
        (auc - self_share / 2) / nullif(1 - self_share, 0) as paired_auc,
        1.959963985 * sqrt(
            {{ nightbook._mean_variance('of_default_2', 'auc', 'default_count') }}
            + {{ nightbook._mean_variance('of_good_2', 'auc', 'good_count') }}
        ) as auc_margin,
        1.959963985 * sqrt(defaults_variance / nullif(default_count, 0) + goods_variance / nullif(good_count, 0)) as ks_margin,
        1.959963985 * sqrt({{ nightbook._mean_variance('brier_2', 'brier', 'cast(case_count as double)') }}) as brier_margin
    from moments

),

figures as (

    {%- for metric, value, margin, least in [
        ('auc', 'paired_auc', 'auc_margin', 0),
        ('gini', '2 * paired_auc - 1', '2 * auc_margin', -1),
        ('ks', 'ks', 'ks_margin', 0),
        ('brier', 'brier', 'brier_margin', 0),
    ] %}

    select
        {{ keyed }},
        '{{ metric }}' as metric,
        {{ value }} as value,
        case when {{ margin }} is not null then {{ greatest_of([value ~ ' - ' ~ margin, least]) }} end as low,
        case when {{ margin }} is not null then {{ least_of([value ~ ' + ' ~ margin, 1]) }} end as high,
        case_count,
        default_count
    from margins
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select
    {{ keyed }},
    metric,
    {{ rounded('value', 6) }} as value,
    {{ rounded('low', 6) }} as low,
    {{ rounded('high', 6) }} as high,
    cast(case_count as bigint) as case_count,
    {{ rounded('default_count', 6) }} as default_count
from figures
where value is not null
{%- endmacro %}

{# The PD in millionths, as a whole number. Populations are counted by it. #}
{% macro pd_step(pd) -%}
    cast(round({{ pd }} * 1000000) as bigint)
{%- endmacro %}

{# Sum of a weight times a number, with the number to twelve places: exact in any order of rows. #}
{% macro _weighted_sum(weight, number) -%}
    cast(sum({{ weight }} * cast({{ rounded(number, 12) }} as decimal(14, 12))) as double)
{%- endmacro %}

{# Mean of a number over the weights. all_weights: their sum, which is the same on every row. #}
{% macro _weighted_mean(weight, number, all_weights) -%}
    {{ nightbook._weighted_sum(weight, number) }} / nullif(cast(max({{ all_weights }}) as double), 0)
{%- endmacro %}

{# Variance of a mean of n values, from the mean and the mean of squares; null for a single value. #}
{% macro _mean_variance(mean_of_squares, mean, n) -%}
    {{ greatest_of([mean_of_squares ~ ' - ' ~ mean ~ ' * ' ~ mean, 0]) }} / case when {{ n }} > 1 then {{ n }} - 1 end
{%- endmacro %}
