-- One row per model, input and as-of date: the PSI against the champion's training population, and against the last
-- month-end.
with

profile as (

    select * from {{ ref('tonight_inputs') }}

),

shares as (

    select * from {{ ref('fct_feature_shares') }}

),

run as (

    select * from {{ ref('int_run') }}

),

rules as (

    select * from {{ ref('drift_rules') }}

),

scored_nights as (

    {{ scored_nights() }}

),

-- The last scored night of an earlier month, by the same version. Other versions have other bins.
month_end as (

    select
        shares.model_name,
        shares.model_version,
        max(shares.as_of_date) as as_of_date
    from shares
    inner join run on shares.as_of_date < {{ month_start('run.as_of_date') }}
    inner join scored_nights on shares.as_of_date = scored_nights.as_of_date
    group by shares.model_name, shares.model_version

),

since_month_end as (

    select
        tonight.model_name,
        tonight.feature,
        tonight.model_version,
        month_end.as_of_date as month_end,
        {{ rounded(psi('before.value', 'tonight.value'), 9) }} as psi
    from shares as tonight
    inner join run on tonight.as_of_date = run.as_of_date
    inner join month_end
        on tonight.model_name = month_end.model_name and tonight.model_version = month_end.model_version
    inner join shares as before
        on
            tonight.model_name = before.model_name
            and tonight.model_version = before.model_version
            and tonight.feature = before.feature
            and tonight.bin = before.bin
            and month_end.as_of_date = before.as_of_date
    group by tonight.model_name, tonight.feature, tonight.model_version, month_end.as_of_date

),

-- The most specific rule applies: one for the input, else one for its model, else the one for all.
ruled as (

    select
        profile.*,
        rules.warn_at,
        rules.alert_at,
        rules.min_cases,
        profile.gain_share >= rules.important_from as is_important
    from profile
    inner join rules
        on
            profile.model_name = coalesce(rules.model_name, profile.model_name)
            and profile.feature = coalesce(rules.feature, profile.feature)
    qualify
        row_number() over (
            partition by profile.model_name, profile.feature
            order by
                case when rules.feature is null then 1 else 0 end,
                case when rules.model_name is null then 1 else 0 end
        ) = 1

)

select
    ruled.model_name,
    ruled.feature,
    run.as_of_date,
    ruled.psi as value,
    {{ psi_status('ruled.psi', 'ruled.case_count', 'ruled.min_cases', 'ruled.warn_at', 'ruled.alert_at') }} as status,
    'training population of version ' || ruled.model_version as reference,
    ruled.is_important,
    ruled.gain_share,
    ruled.warn_at,
    ruled.alert_at,
    since_month_end.psi as value_since_month_end,
    since_month_end.month_end,
    {{ is_overridden("'drift'", 'ruled.model_name', 'ruled.feature') }} as is_overridden,
    cast(ruled.case_count as bigint) as case_count,
    cast(ruled.model_version as integer) as model_version,
    run.run_id
from ruled
cross join run
left join since_month_end
    on
        ruled.model_name = since_month_end.model_name
        and ruled.feature = since_month_end.feature
        and ruled.model_version = since_month_end.model_version
