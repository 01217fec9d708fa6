{% snapshot snap_champions %}
{#- One row per model and period with the same champion, as the runs found it. -#}
{{ config(
    schema='audit', unique_key='model_name', strategy='check', check_cols=['model_version'],
    tags=['nightly', 'weekly']
) }}

select
    model_name,
    model_version,
    model_digest,
    approver,
    change_request,
    approved_at
from {{ ref('fct_model_versions') }}
where is_champion

{% endsnapshot %}
