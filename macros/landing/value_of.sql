{#
    The one value of a query, read when the model runs and written as a literal. With a literal the engine reads only
    the part of a long history that it needs. With a subquery it reads all of it.

    query: gives one row of one column.
    data_type: the type of the literal.
    otherwise: the text used where the relations do not exist yet or the value is null.
    relation: where it exists, a command that only compiles runs the query too.
#}
{% macro value_of(query, data_type, otherwise, relation=none) -%}
    {%- set found = namespace(value=none) -%}
    {#- In a unit test the relations are rows of the test, which cannot be queried beforehand. -#}
    {%- set can_query = execute and '__dbt__cte__' not in query -%}
    {%- if can_query and (flags.WHICH in ('build', 'run') or (relation and load_relation(relation))) -%}
        {%- set found.value = run_query(query).columns[0].values()[0] -%}
    {%- endif -%}
    cast({{ text_literal(found.value if found.value is not none else otherwise) }} as {{ data_type }})
{%- endmacro %}
