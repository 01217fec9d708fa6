{#
    A query that puts the numbers of a wide relation into the bins of a reference and counts them, in one pass.

    columns: column -> the feature that it is in the reference.
    reference: a relation or CTE with model_name, feature, bin (-1 for no value), above and up_to (null where open).
    edges: the edges of the reference, from bin_edges.

    Gives model_name, feature, bin, row_count, lowest and highest, for the features of the reference alone. The last two
    are the extremes in the bin or, where that is cheaper, in all bins. Empty bins may be absent. A value on an edge
    belongs to the bin below it.
#}
{% macro bin_counts(relation, columns, model_name, reference, edges) -%}
    {{ return(adapter.dispatch('bin_counts', 'nightbook')(relation, columns, model_name, reference, edges)) }}
{%- endmacro %}

{# One row per value, joined to its bin: it works on any engine, but is slow on a large book. #}
{% macro default__bin_counts(relation, columns, model_name, reference, edges) -%}
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
        bins.model_name = {{ text_literal(model_name) }}
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

{#
    A counter per edge, with the edges as literals: one scan for any number of columns, and no join.
#}
{% macro duckdb__bin_counts(relation, columns, model_name, reference, edges) -%}
    {%- set edges, known = edges.get(model_name, {}), {} -%}
    {%- for column, feature in columns.items() if feature in edges -%}{%- do known.update({column: feature}) -%}{%- endfor %}
select
    {{ text_literal(model_name) }} as model_name,
    placed.feature,
    placed.bin,
    case
        when placed.bin = -1 then placed.case_count - placed.known_count
        else
            coalesce(placed.up_to_edge[placed.bin + 1], placed.known_count)
            - case when placed.bin = 0 then 0 else placed.up_to_edge[placed.bin] end
    end as row_count,
    placed.lowest,
    placed.highest
from (
    select
        counters.*,
        unnest(range(-1, len(counters.up_to_edge) + 1)) as bin
    from (
        select
            unnest(
                cast([
                    {%- for column, feature in known.items() %}
                    {
                        'feature': {{ text_literal(feature) }},
                        'case_count': count(*),
                        'known_count': count(observed.{{ column }}),
                        'lowest': cast(min(observed.{{ column }}) as double),
                        'highest': cast(max(observed.{{ column }}) as double),
                        'up_to_edge': [
                            {%- for edge in edges[feature] -%}
                            count_if(observed.{{ column }} <= cast({{ text_literal(edge) }} as double)){{ ", " if not loop.last }}
                            {%- endfor -%}
                        ]
                    }{{ "," if not loop.last }}
                    {%- endfor %}
                ] as struct(
                    feature varchar, case_count bigint, known_count bigint, lowest double, highest double, up_to_edge bigint[]
                )[]),
                recursive := true
            )
        from {{ relation }} as observed
    ) as counters
    where counters.case_count > 0
) as placed
{%- endmacro %}

{#
    The inner edges of every model's bins: model_name -> feature -> texts of numbers, in order. They are read when a
    model is about to run, so that they are constants in its SQL.
    profiles: relation with model_name, feature, bin and up_to.
#}
{% macro bin_edges(profiles) -%}
    {%- set edges = {} -%}
    {%- set query -%}
        select
            model_name,
            feature,
            coalesce({{ texts_in_order('cast(up_to as varchar)', 'bin') }}, '') as edges
        from {{ profiles }}
        group by model_name, feature
    {%- endset -%}
    {%- if execute and load_relation(profiles) -%}
        {%- for row in rows_of(query) -%}
            {%- do edges.setdefault(row.model_name, {}).update({row.feature: (row.edges | string).split()}) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(edges) }}
{%- endmacro %}
