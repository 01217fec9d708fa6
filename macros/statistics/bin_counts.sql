{#
    A query that places the numbers of a wide relation in the bins of a reference and counts them, in one pass.

    columns: column -> feature it is in the reference. reference: a relation or CTE with model_name, feature, bin (-1 for
    no value), above, up_to (null where open). Gives model_name, feature, bin, row_count, and lowest and highest, the
    extremes of what fell into the bin or, where that is cheaper, into any, for the features of the reference alone; bins
    that nothing falls into may be absent. A value on an edge belongs to the bin below it.
#}
{% macro bin_counts(relation, columns, model_name, reference) -%}
    {{ return(adapter.dispatch('bin_counts', 'nightbook')(relation, columns, model_name, reference)) }}
{%- endmacro %}

{# One row per value, joined to its bin: portable, and slow on a large book. #}
{% macro default__bin_counts(relation, columns, model_name, reference) -%}
select
    bins.model_name,
    bins.feature,
    bins.bin,
    count(*) as row_count,
    min(observed.value) as lowest,
    max(observed.value) as highest
from ({{ unpivot_numbers(relation, columns) }}) as observed
inner join {{ reference }} as bins
    on
        bins.model_name = '{{ model_name }}'
        and observed.feature = bins.feature
        and case
            when bins.bin = -1 then observed.value is null
            else
                observed.value is not null
                and (bins.above is null or observed.value > bins.above)
                and (bins.up_to is null or observed.value <= bins.up_to)
        end
group by bins.model_name, bins.feature, bins.bin
{%- endmacro %}

{# A histogram per column, on the reference's own edges: one scan, whatever the number of columns. #}
{% macro duckdb__bin_counts(relation, columns, model_name, reference) -%}
select
    '{{ model_name }}' as model_name,
    placed.feature,
    placed.bin,
    case
        when placed.bin = -1 then placed.null_count
        when len(placed.edges) = 0 then placed.known_count
        when placed.bin = len(placed.edges) then coalesce(placed.counts[cast('infinity' as double)], 0)
        else placed.counts[placed.edges[placed.bin + 1]]
    end as row_count,
    placed.lowest,
    placed.highest
from (
    select
        histograms.*,
        unnest(range(-1, len(histograms.edges) + 1)) as bin
    from (
        select
            unnest([
                {%- for column, feature in columns.items() %}
                {
                    'feature': '{{ feature }}',
                    'known_count': count(observed.{{ column }}),
                    'null_count': count(*) - count(observed.{{ column }}),
                    'lowest': cast(min(observed.{{ column }}) as double),
                    'highest': cast(max(observed.{{ column }}) as double),
                    'edges': any_value(edges.{{ column }}),
                    {#- An empty list of bins is refused; its result is not looked at. #}
                    'counts': histogram(
                        cast(observed.{{ column }} as double),
                        case when len(edges.{{ column }}) = 0 then [cast(0 as double)] else edges.{{ column }} end
                    )
                }{{ "," if not loop.last }}
                {%- endfor %}
            ], recursive := true)
        from {{ relation }} as observed
        cross join (
            select
                {%- for column, feature in columns.items() %}
                coalesce(
                    list(up_to order by bin) filter (where feature = '{{ feature }}' and up_to is not null), []
                ) as {{ column }}{{ "," if not loop.last }}
                {%- endfor %}
            from {{ reference }}
            where model_name = '{{ model_name }}'
        ) as edges
    ) as histograms
    where histograms.known_count + histograms.null_count > 0
) as placed
where placed.feature in (select feature from {{ reference }} where model_name = '{{ model_name }}')
{%- endmacro %}
