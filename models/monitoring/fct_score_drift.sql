-- One row per model, score band and as-of date: tonight's share of the band against the champion's training scores.
{%- set edges = bin_edges(ref('champion_profiles')) %}

with

profiles as (

    select * from {{ ref('champion_profiles') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per model and band that some score falls into.
counted as (

    {{ bin_counts(ref('tonight_account_scores'), {'pd': 'score'}, 'account_pd', 'profiles', edges) }}

    union all

    {{ bin_counts(ref('tonight_application_scores'), {'pd': 'score'}, 'application_pd', 'profiles', edges) }}

),

{{ binned_shares('counted', 'profiles') }},

bands as (

    select
        *,
        round(sum({{ psi_term('reference_share', 'actual_share') }}) over (partition by model_name), 9) as psi
    from binned_shares
    where bin >= 0

)

select
    bands.model_name,
    cast(bands.bin as integer) as band,
    run.as_of_date,
    bands.above as pd_above,
    bands.up_to as pd_up_to,
    round(bands.actual_share, 9) as value,
    round(bands.reference_share, 9) as reference_share,
    bands.psi,
    {{ psi_status('bands.psi', 'bands.case_count') }} as status,
    'training scores of version ' || bands.model_version as reference,
    cast(bands.case_count as bigint) as case_count,
    cast(bands.model_version as integer) as model_version,
    run.run_id
from bands
cross join run
