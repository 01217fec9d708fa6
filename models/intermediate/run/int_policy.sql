-- One row: every policy in force for this run. A value that the lender has landed replaces the seed's.
with

policy as (

    select * from {{ ref('policy') }}

),

overrides as (

    select * from {{ ref('stg_policy_overrides') }}

),

in_force as (

    select
        policy.name,
        case when overrides.name is null then policy.value else nullif(overrides.value, '') end as value
    from policy
    left join overrides on policy.name = overrides.name

),

pivoted as (

    select
        {{ policy_value('outcome_months', 'integer') }},
        {{ policy_value('default_days_past_due', 'integer') }},
        {{ policy_value('observed_from', 'date') }},
        {{ policy_value('observed_through', 'date') }},
        {{ policy_value('training_cohorts', 'integer') }},
        {{ policy_value('min_history_months', 'integer') }},
        {{ policy_value('holdout_cohorts', 'integer') }},
        {{ policy_value('holdout_percent', 'integer') }},
        {{ policy_value('validation_percent', 'integer') }},
        {{ policy_value('score_offset', 'double') }},
        {{ policy_value('score_odds', 'double') }},
        {{ policy_value('score_points_to_double', 'double') }},
        {{ policy_value('lgd_personal_loan', 'decimal(9,6)') }},
        {{ policy_value('lgd_credit_line', 'decimal(9,6)') }},
        {{ policy_value('ccf_credit_line', 'decimal(9,6)') }},
        {{ policy_value('credit_line_life_months', 'integer') }},
        {{ policy_value('sicr_days_past_due', 'integer') }},
        {{ policy_value('sicr_pd', 'double') }},
        {{ policy_value('application_open_days', 'integer') }},
        {{ policy_value('application_cohorts', 'integer') }},
        {{ policy_value('application_holdout_cohorts', 'integer') }},
        {{ policy_value('training_accounts', 'integer') }}
    from in_force

)

select * from pivoted
