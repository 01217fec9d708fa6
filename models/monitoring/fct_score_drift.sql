-- One row per model, score band and as-of date: tonight's share of scores against the champion's training scores.
{%- set edges = bin_edges(ref('reference_shares')) %}

with

profiles as (

    select * from {{ ref('reference_shares') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per model and band. A band without scores may be absent.
counted as (
    {%- for model in scoring_models() %}

        {{ bin_counts(ref(model.tonight_scores), {'pd': 'score'}, model.model_name, 'profiles', edges) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

{{ binned_shares('counted', 'profiles') }},

bands as (

    select
        *,
        {{ rounded('sum(' ~ psi_term('reference_share', 'actual_share') ~ ') over (partition by model_name)', 9) }} as psi
    from binned_shares
    where bin >= 0

),

{% if is_incremental() %}
    scored_nights as (

        {{ scored_nights() }}

    ),
{% endif %}

-- The last scored night of an earlier month, by the same version. Other versions have other bands.
month_end as (
    {% if is_incremental() %}
        select
            history.model_name,
            history.model_version,
            history.band,
            history.value
        from {{ this }} as history
        inner join run on history.as_of_date < {{ month_start('run.as_of_date') }}
        inner join scored_nights on history.as_of_date = scored_nights.as_of_date
        qualify
            dense_rank() over (
                partition by history.model_name, history.model_version order by history.as_of_date desc
            ) = 1
    {% else %}
        select
            model_name,
            model_version,
            bin as band,
            reference_share as value
        from bands
        where false
    {% endif %}
)

select
    bands.model_name,
    cast(bands.bin as integer) as band,
    run.as_of_date,
    bands.above as pd_above,
    bands.up_to as pd_up_to,
    {{ rounded('bands.actual_share', 9) }} as value,
    {{ rounded('bands.reference_share', 9) }} as reference_share,
    bands.psi,
    -- Null without a month-end: an index against empty bins would be large and mean nothing.
    {{ rounded(
        'sum(case when month_end.value is not null then '
        ~ psi_term('month_end.value', rounded('bands.actual_share', 9))
        ~ ' end) over (partition by bands.model_name)',
        9
    ) }} as psi_since_month_end,
    {{ psi_status('bands.psi', 'bands.case_count') }} as status,
    'training scores of version ' || bands.model_version as reference,
    cast(bands.case_count as bigint) as case_count,
    cast(bands.model_version as integer) as model_version,
    run.run_id
from bands
cross join run
left join month_end
    on
        bands.model_name = month_end.model_name
        and bands.model_version = month_end.model_version
        and bands.bin = month_end.band
