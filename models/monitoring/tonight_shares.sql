-- One row per model, input and bin: the bin's share of the champion's training population and of tonight's.
{{ config(materialized='table') }}

{%- set edges = bin_edges(ref('reference_shares')) %}

with

profiles as (

    select * from {{ ref('reference_shares') }}

),

-- One row per model, input and bin. A bin without values may be absent.
counted as (
    {%- for model in scoring_models() %}

        {{ bin_counts(
            ref(model.population),
            feature_columns(model.features, keys=[model.key, 'as_of_date']),
            model.model_name,
            'profiles',
            edges
        ) }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

{{ binned_shares('counted', 'profiles') }}

select * from binned_shares
