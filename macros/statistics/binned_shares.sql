{#
    CTEs that put tonight's counts per bin beside the shares of a reference.

    counted: model_name, feature, bin, row_count, lowest and highest, as bin_counts gives them.
    reference: model_name, model_version, feature, bin (-1 for no value), above, up_to (null where open), share and
    gain_share.

    Gives a CTE `binned_shares` with one row per bin of the reference, empty bins included. An input without any
    observation has no row.
#}
{% macro binned_shares(counted, reference) -%}
totals as (

    select
        model_name,
        feature,
        sum(row_count) as row_count,
        min(lowest) as lowest,
        max(highest) as highest
    from {{ counted }}
    group by model_name, feature

),

binned_shares as (

    select
        {{ reference }}.model_name,
        {{ reference }}.model_version,
        {{ reference }}.feature,
        {{ reference }}.bin,
        {{ reference }}.above,
        {{ reference }}.up_to,
        {{ reference }}.share as reference_share,
        {{ reference }}.gain_share,
        coalesce({{ counted }}.row_count, 0) / cast(totals.row_count as double) as actual_share,
        totals.row_count as case_count,
        totals.lowest,
        totals.highest
    from {{ reference }}
    inner join totals
        on
            {{ reference }}.model_name = totals.model_name
            and {{ reference }}.feature = totals.feature
    left join {{ counted }}
        on
            {{ reference }}.model_name = {{ counted }}.model_name
            and {{ reference }}.feature = {{ counted }}.feature
            and {{ reference }}.bin = {{ counted }}.bin
    where totals.row_count > 0

)
{%- endmacro %}
