-- One row: the date that tonight's features are built for, and how its month is counted.
with

tonight as (

    select
        as_of_date,
        cast(1 as double) as sample_share
    from {{ ref('int_run') }}

),

{{ date_lags('tonight') }}
