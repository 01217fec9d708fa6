-- One row per payment whose versions this run must compare: its last version. When everything is computed again,
-- these are the payments with several versions, because all others have only one. Otherwise they are the payments of
-- the stale accounts and of the new months.
{{ config(materialized='table') }}

{%- set payments, stale_accounts = ref('stg_payment_versions'), ref('int_stale_accounts') -%}
{%- set changes = changes_of('int_closed_months') %}

with

affected_payments as (

    select *
    from {{ payments }}
    where
        {%- if changes.is_whole %}
            {{ engine_hash('payment_id') }} in ({{ repeated_keys(payments, ['payment_id']) }})
        {%- else %}
            payment_id in (
                select payments.payment_id
                from {{ payments }} as payments
                inner join {{ stale_accounts }} as stale_accounts on payments.account_id = stale_accounts.account_id
                {%- if changes.new_months %}

                union all

                select payment_id
                from {{ payments }}
                where {{ month_start('paid_on') }} in {{ date_list(changes.new_months) }}
                {%- endif %}
            )
        {%- endif %}

)

select *
from affected_payments
qualify {{ is_latest_version(['payment_id']) }}
