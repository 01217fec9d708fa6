-- One row per model, input, bin and as-of date: the shares that a PSI compares. They are kept so that a night can be
-- compared with the month-end before it.
with

shares as (

    select * from {{ ref('tonight_shares') }}

),

run as (

    select * from {{ ref('int_run') }}

)

select
    shares.model_name,
    shares.feature,
    cast(shares.bin as integer) as bin,
    run.as_of_date,
    shares.above,
    shares.up_to,
    {{ rounded('shares.actual_share', 9) }} as value,
    {{ rounded('shares.reference_share', 9) }} as reference_share,
    cast(shares.case_count as bigint) as case_count,
    cast(shares.model_version as integer) as model_version,
    run.run_id
from shares
cross join run
