{#
    Kolmogorov-Smirnov statistic of a score: the largest gap between the score distributions of defaults and goods.

    A query of one row and one column, ks, over a relation with one row per case; null when a class is absent.
    label: 1 for default, 0 for good. Source: Siddiqi, Intelligent Credit Scoring (2017).
#}
{% macro ks_statistic(relation, label, score) -%}
select max(abs(bad_share - good_share)) as ks
from (
    select
        sum(bads) over (order by score) / nullif(cast(sum(bads) over () as double), 0) as bad_share,
        sum(goods) over (order by score) / nullif(cast(sum(goods) over () as double), 0) as good_share
    from (
        select
            {{ score }} as score,
            sum({{ label }}) as bads,
            sum(1 - {{ label }}) as goods
        from {{ relation }}
        group by {{ score }}
    ) as steps
) as distributions
{%- endmacro %}
