{#
    The dates that features are built for: as_of_date, sample_share (the share of customers that is used) and month_lag.
    dates: name of a CTE with as_of_date and sample_share.
#}
{% macro date_lags(dates) -%}
with_lags as (

    select
        {{ dates }}.as_of_date,
        max({{ dates }}.sample_share) as sample_share,
        {{ days_between('max(snapshots.snapshot_date)', dates ~ '.as_of_date') }} as days_from_last_month
    from {{ dates }}
    left join {{ ref('stg_snapshots') }} as snapshots on snapshots.snapshot_date < {{ month_start(dates ~ '.as_of_date') }}
    group by {{ dates }}.as_of_date

)

select
    as_of_date,
    sample_share,
    {{ month_lag('days_from_last_month') }} as month_lag
from with_lags
{%- endmacro %}
