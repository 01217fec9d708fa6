{#
    What the credit bureau reports about a customer, as columns over int_bureau_files grouped by customer and as-of
    date. Accounts and applications share it, so that each bureau feature has one definition.
#}
{% macro bureau_features() -%}
        {{ _bureau_latest('bureau_score') }} as bureau_score,
        {{ _bureau_latest('bureau_score') }} - {{ _bureau_before('bureau_score', 60) }} as bureau_score_delta,
        {{ _bureau_latest('bureau_score') }} - {{ _bureau_before('bureau_score', 150) }} as bureau_score_delta_6m,
        {{ _bureau_latest('bureau_score') }} - {{ _bureau_before('bureau_score', 330) }} as bureau_score_delta_12m,
        cast(min(case when days_ago <= 366 then bureau_score end) as integer) as bureau_score_12m_min,
        cast(max(bureau_score) as integer) as bureau_score_24m_max,
        {{ rounded(
            'cast(sum(case when days_ago <= 366 then bureau_score end) as double)'
            ~ ' / nullif(count(case when days_ago <= 366 then bureau_score end), 0)', 6
        ) }} as bureau_score_12m_avg,
        {{ _bureau_latest('inquiries_6m') }} as bureau_inquiries,
        {{ _bureau_latest('inquiries_6m') }} - {{ _bureau_before('inquiries_6m', 60) }} as bureau_inquiries_delta,
        cast(max(case when days_ago <= 366 then inquiries_6m end) as integer) as bureau_inquiries_12m_max,
        {{ _bureau_latest('open_tradelines') }} as bureau_open_tradelines,
        {{ _bureau_latest('open_tradelines') }} - {{ _bureau_before('open_tradelines', 330) }} as bureau_open_tradelines_delta_12m,
        cast({{ _bureau_latest('total_utilization', 'decimal(9, 6)') }} as double) as bureau_utilization,
        cast({{ _bureau_latest('total_utilization', 'decimal(9, 6)') }}
            - {{ _bureau_before('total_utilization', 60, 'decimal(9, 6)') }} as double) as bureau_utilization_delta,
        cast(max(case when days_ago <= 366 then total_utilization end) as double) as bureau_utilization_12m_max,
        {{ _bureau_latest('worst_delinquency_24m') }} as bureau_worst_delinquency,
        {{ _bureau_latest('derogatory_count') }} as bureau_derogatory_count,
        cast(count(*) as integer) as bureau_pulls_24m,
        cast(min(days_ago) as integer) as bureau_file_age_days
{%- endmacro %}

{# The value in the latest file. #}
{% macro _bureau_latest(column, data_type='integer') -%}
    {{ _bureau_before(column, 0, data_type) }}
{%- endmacro %}

{#
    The value in the latest file that is at least `days` old. It is null if that file has none. An older file is never
    used.
#}
{% macro _bureau_before(column, days, data_type='integer') -%}
    {{ return(adapter.dispatch('_bureau_before', 'nightbook')(column, days, data_type)) }}
{%- endmacro %}

{# Whether the latest file has the value is checked first, because max_by is not documented for nulls. #}
{% macro default___bureau_before(column, days, data_type) -%}
    {%- set number = 'case when days_ago >= ' ~ days ~ ' then pull_number end' -%}
    {%- set number_with_value = 'case when days_ago >= ' ~ days ~ ' and ' ~ column ~ ' is not null then pull_number end' -%}
    cast(case when max({{ number }}) = max({{ number_with_value }}) then max_by({{ column }}, {{ number_with_value }}) end as {{ data_type }})
{%- endmacro %}

{% macro duckdb___bureau_before(column, days, data_type) -%}
    cast(arg_max_null({{ column }}, pull_number) filter (where days_ago >= {{ days }}) as {{ data_type }})
{%- endmacro %}
