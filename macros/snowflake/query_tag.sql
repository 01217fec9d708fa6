{#
    Overrides dbt-snowflake's own: the tag of what a node runs says which run and which node, so that QUERY_HISTORY can be asked
    what a night cost. What a procedure runs has the tag as well, where a comment of dbt's never gets.
#}
{% macro snowflake__set_query_tag() -%}
    {%- set tag = tojson({'app': 'nightbook', 'run': invocation_id, 'node': model.name}, sort_keys=true) -%}
    {%- do run_query('alter session set query_tag = ' ~ text_literal(tag)) -%}
{%- endmacro %}

{# The next node of the session says its own tag; between nodes, the last one stands. #}
{% macro snowflake__unset_query_tag(original_query_tag) -%}
{%- endmacro %}
