{#
    Population stability index: sum over bins of (actual - reference) * ln(actual / reference), on shares.

    An empty bin counts as a share of `floor`, on either side. So a vanished bin gives a large index and not an infinite
    one. It is an aggregate over one row per bin. Source: Siddiqi, Intelligent Credit Scoring (2017).
#}
{% macro psi(reference, actual, floor=0.0001) -%}
    sum({{ psi_term(reference, actual, floor) }})
{%- endmacro %}

{# The term of one bin. #}
{% macro psi_term(reference, actual, floor=0.0001) -%}
    {%- set actual_share, reference_share = greatest_of([actual, floor]), greatest_of([reference, floor]) -%}
    ({{ actual_share }} - {{ reference_share }})
    * ln({{ quotient(actual_share, reference_share) }})
{%- endmacro %}

{#
    The status of a PSI by the usual bands: stable below 0.1, shifted from 0.25. With fewer cases than `min_cases` it is
    ok, because chance alone leaves bins empty: the twenty applications of a quiet evening are no drift.
#}
{% macro psi_status(psi, case_count, min_cases=200, warn=0.1, alert=0.25) -%}
    case when {{ case_count }} < {{ min_cases }} then 'ok' when {{ psi }} >= {{ alert }} then 'alert' when {{ psi }} >= {{ warn }} then 'warn' else 'ok' end
{%- endmacro %}
