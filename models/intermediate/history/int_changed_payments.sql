-- One row per payment with a version that landed since the closed months were computed.
{{ config(materialized='table') }}

{%- set changes = changes_of('int_closed_months') %}

select distinct payment_id
from {{ ref('stg_payment_versions') }}
where {{ is_among(changes.loads.get('payments', []), month_start('paid_on')) }}
