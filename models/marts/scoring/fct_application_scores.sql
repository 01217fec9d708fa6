-- One row per application and as-of date: the score of record with its reasons. It is published only after the tests on
-- fct_score_drift have passed.
{%- do ref('fct_score_drift') %}
with

scores as (

    select * from {{ ref('tonight_application_scores') }}

),

reasons as (

    select * from {{ ref('application_reasons_tonight') }}

),

run as (

    select * from {{ ref('int_run') }}

),

policy as (

    select * from {{ ref('int_policy') }}

),

bands as (

    select * from {{ ref('score_bands') }}

)

select
    scores.application_id,
    scores.as_of_date,
    scores.pd,
    scores.margin,
    {{ scaled_score('scores.pd') }} as score,
    bands.risk_grade,
    reasons.reason_1,
    reasons.reason_2,
    reasons.reason_3,
    reasons.reason_4,
    scores.model_name,
    scores.model_version,
    scores.model_digest,
    scores.feature_digest,
    run.run_id,
    run.started_at as scored_at
from scores
inner join run on scores.as_of_date = run.as_of_date
cross join policy
left join bands on scores.pd >= bands.pd_from and scores.pd < bands.pd_to
left join reasons
    on
        scores.application_id = reasons.application_id
        and scores.as_of_date = reasons.as_of_date
