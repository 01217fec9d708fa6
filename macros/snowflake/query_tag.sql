{#
    Overrides dbt-snowflake's macro. The query tag of a node names the run and the node, so that QUERY_HISTORY shows
    what a night cost. Statements of a procedure have the tag too, which dbt's query comment never reaches.
#}
{% macro snowflake__set_query_tag() -%}
    {%- set tag = tojson({'app': 'nightbook', 'run': invocation_id, 'node': model.name}, sort_keys=true) -%}
    {%- do run_query('alter session set query_tag = ' ~ text_literal(tag)) -%}
{%- endmacro %}

{# The next node of the session sets its own tag. Between nodes, the last one stays. #}
{% macro snowflake__unset_query_tag(original_query_tag) -%}
{%- endmacro %}
