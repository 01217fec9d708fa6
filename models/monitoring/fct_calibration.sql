-- One row per model, cohort, risk grade and night that measured it: mean PD against default rate. Grade `all` is the
-- whole portfolio.
with

counts as (

    select * from {{ ref('calibration_counts') }}

),

tests as (

    select * from {{ ref('calibration_tests') }}

),

run as (

    select * from {{ ref('int_run') }}

),

-- One row per basis, portfolio or grade: the p-values below which the light is yellow or red.
thresholds as (

    select
        basis,
        max(case when severity = 'warn' then threshold end) as yellow_below,
        max(case when severity = 'alert' then threshold end) as red_below,
        max(min_defaults) as min_defaults
    from {{ ref('monitoring_thresholds') }}
    where monitor = 'calibration' and metric = 'jeffreys_p_value'
    group by basis

)

select
    counts.model_name,
    counts.cohort_date,
    counts.risk_grade,
    run.as_of_date,
    counts.case_count,
    counts.default_count,
    counts.mean_pd,
    {{ rounded('counts.default_count / cast(counts.case_count as double)', 9) }} as default_rate,
    tests.low,
    tests.high,
    tests.p_value,
    case
        when counts.default_count < thresholds.min_defaults then 'green'
        when tests.p_value < thresholds.red_below then 'red'
        when tests.p_value < thresholds.yellow_below then 'yellow'
        else 'green'
    end as traffic_light,
    'mean PD of version ' || counts.model_version as reference,
    counts.model_version,
    run.run_id
from counts
inner join tests
    on
        counts.model_name = tests.model_name
        and counts.model_version = tests.model_version
        and counts.cohort_date = tests.cohort_date
        and counts.risk_grade = tests.risk_grade
cross join run
left join thresholds on thresholds.basis = case when counts.risk_grade = 'all' then 'portfolio' else 'grade' end
