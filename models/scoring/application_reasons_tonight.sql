-- One row per application of tonight: up to four reasons that raised its PD, the strongest first.
with

contributions as (

    select * from {{ ref('fct_application_contributions') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- Inputs that share a reason text count as one reason. Six windows of one behaviour are not six reasons.
reasons as (

    select
        contributions.application_id,
        contributions.as_of_date,
        contributions.reason_text,
        sum({{ to_decimal('contributions.contribution', 18, 9) }}) as contribution
    from contributions
    inner join run on contributions.as_of_date = run.as_of_date
    where contributions.reason_text is not null
    group by contributions.application_id, contributions.as_of_date, contributions.reason_text

),

ranked as (

    select
        application_id,
        as_of_date,
        reason_text,
        row_number() over (
            partition by application_id, as_of_date order by contribution desc, reason_text asc
        ) as reason_rank
    from reasons
    where contribution > 0

)

select
    application_id,
    as_of_date,
    max(case when reason_rank = 1 then reason_text end) as reason_1,
    max(case when reason_rank = 2 then reason_text end) as reason_2,
    max(case when reason_rank = 3 then reason_text end) as reason_3,
    max(case when reason_rank = 4 then reason_text end) as reason_4
from ranked
group by application_id, as_of_date
