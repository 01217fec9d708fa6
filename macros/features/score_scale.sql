{# A PD as a score: the policy's offset at its reference odds, and the policy's points for each doubling of the odds. #}
{% macro scaled_score(pd) -%}
    cast(round(
        policy.score_offset
        + policy.score_points_to_double / ln(2)
        * (ln((1 - {{ _inner_pd(pd) }}) / {{ _inner_pd(pd) }}) - ln(policy.score_odds))
    ) as integer)
{%- endmacro %}

{# Keeps a PD of exactly 0 or 1 inside, because it has no log odds. #}
{% macro _inner_pd(pd) -%}
    {{ least_of([greatest_of([pd, '0.000001']), '0.999999']) }}
{%- endmacro %}
