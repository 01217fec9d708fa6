-- One row per model with a challenger, metric and night: champion and challenger on the same population.
with

shadow_scores as (

    select * from {{ ref('tonight_shadow_scores') }}

),

challengers as (

    select * from {{ ref('challengers') }}

),

run as (

    select * from {{ ref('int_run') }}

),

bands as (

    select * from {{ ref('score_bands') }}

),

approval as (

    select * from {{ ref('approval_figures') }}

),

scores as (
    {%- for model in scoring_models() %}

        select
            model_name,
            {{ model.key }} as entity_id,
            pd
        from {{ ref(model.tonight_scores) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- One row per case that both versions scored.
paired as (

    select
        shadow_scores.model_name,
        scores.pd as champion_pd,
        shadow_scores.pd as challenger_pd,
        champion_bands.risk_grade as champion_grade,
        challenger_bands.risk_grade as challenger_grade
    from shadow_scores
    inner join scores
        on
            shadow_scores.model_name = scores.model_name
            and shadow_scores.entity_id = scores.entity_id
    left join bands as champion_bands on scores.pd >= champion_bands.pd_from and scores.pd < champion_bands.pd_to
    left join bands as challenger_bands
        on shadow_scores.pd >= challenger_bands.pd_from and shadow_scores.pd < challenger_bands.pd_to

),

sides as (

    {%- for side in ['champion', 'challenger'] %}

        select
            model_name,
            '{{ side }}' as side,
            {{ pd_step(side ~ '_pd') }} as pd_step,
            count(*) as case_count,
            cast(null as bigint) as default_count
        from paired
        group by model_name, {{ pd_step(side ~ '_pd') }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

expected as (

    {{ performance('sides', ['model_name', 'side']) }}

),

-- One row per model and grade, with the share of each side.
graded as (

    select
        paired.model_name,
        bands.risk_grade,
        count(case when paired.champion_grade = bands.risk_grade then 1 end) / cast(count(*) as double) as champion_share,
        count(case when paired.challenger_grade = bands.risk_grade then 1 end) / cast(count(*) as double) as challenger_share
    from paired
    cross join bands
    group by paired.model_name, bands.risk_grade

),

-- One row per model, metric and side. A metric that compares the two sides is in the challenger's row.
figures as (

    select
        model_name,
        'expected_' || metric as metric,
        side,
        value
    from expected
    where metric in ('auc', 'ks', 'brier')

    union all

    select
        model_name,
        'mean_pd' as metric,
        side,
        {{ rounded('cast(sum(case_count * pd_step) as double) / cast(sum(case_count) as double) / 1000000', 9) }} as value
    from sides
    group by model_name, side

    union all

    select
        model_name,
        'score_psi' as metric,
        'challenger' as side,
        {{ rounded(psi('champion_share', 'challenger_share'), 9) }} as value
    from graded
    group by model_name

    union all

    select
        model_name,
        'grade_change_share' as metric,
        'challenger' as side,
        {{ rounded('count(case when champion_grade != challenger_grade then 1 end) / cast(count(*) as double)', 9) }} as value
    from paired
    group by model_name

    union all

    select
        challengers.model_name,
        'holdout_' || approval.metric as metric,
        case when approval.model_version = challengers.model_version then 'challenger' else 'champion' end as side,
        approval.value
    from challengers
    inner join approval
        on
            challengers.model_name = approval.model_name
            and approval.model_version in (challengers.model_version, challengers.champion_version)
    where approval.metric in ('auc', 'ks', 'brier')

),

-- One row per model.
counted as (

    select
        model_name,
        count(*) as case_count
    from paired
    group by model_name

),

compared as (

    select
        model_name,
        metric,
        max(case when side = 'champion' then value end) as champion_value,
        max(case when side = 'challenger' then value end) as challenger_value
    from figures
    group by model_name, metric

)

select
    compared.model_name,
    compared.metric,
    run.as_of_date,
    case
        when compared.metric in ('score_psi', 'grade_change_share') then compared.challenger_value
        else {{ rounded('compared.challenger_value - compared.champion_value', 9) }}
    end as value,
    compared.champion_value,
    case
        when compared.metric not in ('score_psi', 'grade_change_share') then compared.challenger_value
    end as challenger_value,
    'champion, version ' || challengers.champion_version as reference,
    cast(counted.case_count as bigint) as case_count,
    cast(challengers.champion_version as integer) as champion_version,
    cast(challengers.model_version as integer) as challenger_version,
    run.run_id
from compared
inner join challengers on compared.model_name = challengers.model_name
inner join counted on compared.model_name = counted.model_name
cross join run
