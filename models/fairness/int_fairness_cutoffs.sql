-- One row per scoring model whose decisions are checked for fairness: the PD from which a decision is adverse.
{{ config(schema='intermediate', tags=['nightly', 'weekly']) }}

with

decisions as (

    select * from {{ ref('fairness_decisions') }}

),

bands as (

    select
        risk_grade as band,
        pd_from
    from {{ ref('score_bands') }}

    union all

    select
        triage_band as band,
        pd_from
    from {{ ref('triage_bands') }}

)

select
    decisions.model_name,
    cast(bands.pd_from as double) as cutoff
from decisions
left join bands on decisions.adverse_from = bands.band
