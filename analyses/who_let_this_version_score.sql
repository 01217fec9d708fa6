-- One row per as-of date and version that scored accounts: who made and approved the version, and the code that ran.
select
    scores.as_of_date,
    scores.model_name,
    scores.model_version,
    versions.maker,
    promotions.approver,
    promotions.change_request,
    promotions.promoted_at,
    runs.actor,
    runs.git_commit,
    runs.is_dirty,
    runs.pinned_versions,
    scores.account_count
from (
    select
        as_of_date,
        run_id,
        model_name,
        model_version,
        count(*) as account_count
    from {{ ref('fct_account_scores') }}
    group by as_of_date, run_id, model_name, model_version
) as scores
inner join {{ ref('fct_runs') }} as runs on scores.run_id = runs.run_id
left join {{ ref('fct_model_versions') }} as versions
    on
        scores.model_name = versions.model_name
        and scores.model_version = versions.model_version
left join {{ ref('fct_promotions') }} as promotions
    on
        scores.model_name = promotions.model_name
        and scores.model_version = promotions.model_version
        and promotions.promoted_at <= runs.started_at
qualify row_number() over (
    partition by scores.as_of_date, scores.model_name, scores.model_version order by promotions.sequence desc
) = 1
order by scores.as_of_date desc, scores.model_name
