-- One row: the as-of date, and whether its month is counted with the one before.
with

tonight as (

    select
        as_of_date,
        cast(1 as double) as sample_share
    from {{ ref('int_run') }}

),

{{ date_lags('tonight') }}
