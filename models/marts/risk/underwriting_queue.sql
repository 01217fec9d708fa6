-- One row per application that waits for a decision tonight. Rank 1 is the safest.
{{ config(materialized='table') }}

with

scores as (

    select * from {{ ref('fct_application_scores') }}

),

cases as (

    select * from {{ ref('int_application_cases') }}

),

run as (

    select * from {{ ref('int_run') }}

),

bands as (

    select * from {{ ref('triage_bands') }}

)

select
    cast(row_number() over (order by scores.pd, scores.application_id) as integer) as rank,
    bands.triage_band,
    scores.application_id,
    cases.customer_id,
    scores.as_of_date,
    cases.applied_on,
    cases.product,
    cases.requested_amount,
    cases.requested_term_months,
    scores.pd,
    scores.score,
    scores.risk_grade,
    -- Not concat_ws, which on Snowflake gives null if any reason is null.
    coalesce(scores.reason_1, '')
    || coalesce('; ' || scores.reason_2, '')
    || coalesce('; ' || scores.reason_3, '')
    || coalesce('; ' || scores.reason_4, '') as reasons,
    scores.model_version,
    scores.run_id
from scores
inner join run on scores.as_of_date = run.as_of_date
inner join cases
    on
        scores.application_id = cases.application_id
        and scores.as_of_date = cases.as_of_date
left join bands on scores.pd >= bands.pd_from and scores.pd < bands.pd_to
