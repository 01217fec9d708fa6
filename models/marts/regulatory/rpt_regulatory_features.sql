-- One row per account and as-of date: every model input exactly as it was scored.
with

features as (

    select * from {{ ref('accounts_tonight') }}

),

scores as (

    select * from {{ ref('fct_account_scores') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    scores.account_id,
    scores.as_of_date,
    scores.model_version,
    scores.feature_digest,
    scores.run_id,
    features.* exclude (account_id, as_of_date)  -- noqa: RF02
from scores
inner join run on scores.as_of_date = run.as_of_date
inner join features
    on
        scores.account_id = features.account_id
        and scores.as_of_date = features.as_of_date
