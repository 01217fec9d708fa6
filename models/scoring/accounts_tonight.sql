-- One row per open account that is not in default: tonight's book with all features.
with

run as (

    select * from {{ ref('int_run') }}

),

inputs as (

    select * from {{ ref('account_inputs') }}

)

select inputs.* exclude (run_id)  -- noqa: RF02
from inputs
inner join run on inputs.run_id = run.run_id
