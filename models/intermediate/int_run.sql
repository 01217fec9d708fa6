-- One row: what this run is. Every model that needs the as-of date takes it from here.
{{ config(materialized='table') }}

with

snapshots as (

    select * from {{ ref('stg_snapshots') }}

),

latest as (

    select max(snapshot_date) as snapshot_date from snapshots

),

run as (

    select
        '{{ invocation_id }}' as run_id,
        '{{ cadence() }}' as cadence,
        {{ "cast('" ~ given_as_of() ~ "' as date)" if given_as_of() else 'latest.snapshot_date' }} as as_of_date,
        {{ known_at() }} as known_at,
        {{ started_at() }} as started_at
    from latest

)

select * from run
