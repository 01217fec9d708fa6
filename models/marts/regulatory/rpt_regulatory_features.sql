-- One row per account and as-of date: every model input exactly as it was scored. It is a view, because the inputs
-- are already stored. Each score is joined to the inputs of its own run.
{{ config(post_hook="{{ drop_superseded_inputs() }}") }}

with

scores as (

    select * from {{ ref('fct_account_scores') }}

),

inputs as (

    select * from {{ ref('account_inputs') }}

)

select
    scores.account_id,
    scores.as_of_date,
    scores.model_version,
    scores.feature_digest,
    scores.run_id,
    inputs.* exclude (account_id, as_of_date, run_id)  -- noqa: RF02
from scores
inner join inputs
    on
        scores.account_id = inputs.account_id
        and scores.as_of_date = inputs.as_of_date
        and scores.run_id = inputs.run_id
