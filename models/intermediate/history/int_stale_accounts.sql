-- One row per account whose kept months depend on rows that have changed since.
{{ config(materialized='table') }}

{%- set servicing, payments = ref('stg_loan_servicing_versions'), ref('stg_payment_versions') -%}
{%- set changes = changes_of('int_closed_months') -%}
{%- set kept, loads = changes.kept_months, changes.loads.get('loan_servicing', []) -%}
{%- set first_day = 'cast(' ~ text_literal(kept | min if kept else '9999-12-01') ~ ' as date)' -%}
{%- set last_day = month_end('cast(' ~ text_literal(kept | max if kept else '0001-01-01') ~ ' as date)') %}

select account_id
from {{ servicing }}
where
    {{ is_among(loads | selectattr('month', 'in', kept) | list, month_start('snapshot_date')) }}

union

-- All versions, because a correction may move a payment to another month or to another account.
select account_id
from {{ payments }}
where
    payment_id in (select changed.payment_id from {{ ref('int_changed_payments') }} as changed)
    and paid_on >= {{ first_day }}
    and paid_on <= {{ last_day }}

union

-- New terms that apply to a kept month.
select account_id
from {{ ref('int_account_terms') }}
where
    {{ is_among(changes.loads.get('accounts', [])) }}
    and known_from <= {{ last_day }}
