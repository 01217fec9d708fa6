-- One row per model, input and bin of the champion's training population: its share then and its share tonight.
{{ config(materialized='table') }}

{%- set edges = bin_edges(ref('champion_profiles')) %}

with

profiles as (

    select * from {{ ref('champion_profiles') }}

),

-- One row per model, input and bin that something falls into.
counted as (

    {{ bin_counts(
        ref('accounts_tonight'),
        feature_columns('feat_accounts', keys=['account_id', 'as_of_date']),
        'account_pd',
        'profiles',
        edges
    ) }}

    union all

    {{ bin_counts(
        ref('applications_tonight'),
        feature_columns('feat_applications', keys=['application_id', 'as_of_date']),
        'application_pd',
        'profiles',
        edges
    ) }}

),

{{ binned_shares('counted', 'profiles') }}

select * from binned_shares
