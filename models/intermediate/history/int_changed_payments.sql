-- One row per payment of which a version has landed since the closed months were computed.
{{ config(materialized='table') }}

{%- set news = closed_months_news() %}

select distinct payment_id
from {{ ref('stg_payment_versions') }}
where {{ is_news(news.changes.payments, month_start('paid_on')) }}
