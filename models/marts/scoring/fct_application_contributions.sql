-- One row per application, as-of date and model input: its value and its contribution to the log odds.
with

contributions as (

    select * from {{ ref('tonight_application_contributions') }}

),

scores as (

    select * from {{ ref('tonight_application_scores') }}

),

run as (

    select * from {{ ref('int_run') }}

),

catalog as (

    select * from {{ ref('feature_catalog') }}

)

select
    contributions.application_id,
    contributions.as_of_date,
    contributions.feature,
    contributions.value,
    contributions.contribution,
    catalog.reason_text,
    scores.model_name,
    scores.model_version,
    run.run_id
from contributions
inner join run on contributions.as_of_date = run.as_of_date
inner join scores
    on
        contributions.application_id = scores.application_id
        and contributions.as_of_date = scores.as_of_date
left join catalog
    on
        contributions.feature = catalog.name
        and scores.model_name = catalog.model_name
