-- One row per model, input and bin: the bin's share of the champion's training population and of tonight's.
{{ config(materialized='table') }}

{%- set edges = bin_edges(ref('champion_profiles')) %}

with

profiles as (

    select * from {{ ref('champion_profiles') }}

),

-- One row per model, input and bin. A bin without values may be absent.
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
