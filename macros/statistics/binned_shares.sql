{#
    CTEs that place values in the bins of a reference and give each bin's share on both sides.

    observed: model_name, feature, value. reference: model_name, model_version, feature, bin (-1 for no value), above,
    up_to (null where open), share. Gives a CTE `binned_shares` with one row per bin of the reference, bins that are
    empty now included, and nothing for an input that was not observed at all.
#}
{% macro binned_shares(observed, reference) -%}
counted as (

    select
        {{ reference }}.model_name,
        {{ reference }}.feature,
        {{ reference }}.bin,
        count(*) as row_count
    from {{ observed }}
    inner join {{ reference }}
        on
            {{ observed }}.model_name = {{ reference }}.model_name
            and {{ observed }}.feature = {{ reference }}.feature
            and case
                when {{ reference }}.bin = -1 then {{ observed }}.value is null
                else
                    ({{ reference }}.above is null and {{ observed }}.value is not null or {{ observed }}.value > {{ reference }}.above)
                    and ({{ reference }}.up_to is null and {{ observed }}.value is not null or {{ observed }}.value <= {{ reference }}.up_to)
            end
    group by {{ reference }}.model_name, {{ reference }}.feature, {{ reference }}.bin

),

totals as (

    select
        model_name,
        feature,
        sum(row_count) as row_count
    from counted
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
        coalesce(counted.row_count, 0) / cast(totals.row_count as double) as actual_share,
        totals.row_count as case_count
    from {{ reference }}
    inner join totals
        on
            {{ reference }}.model_name = totals.model_name
            and {{ reference }}.feature = totals.feature
    left join counted
        on
            {{ reference }}.model_name = counted.model_name
            and {{ reference }}.feature = counted.feature
            and {{ reference }}.bin = counted.bin

)
{%- endmacro %}
