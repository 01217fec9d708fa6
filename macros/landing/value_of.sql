{#
    The one value of a query, read when the model runs and written out as a literal: by a literal the engine finds the part
    of a long history that it needs, by a subquery it reads all of it. query: gives one row of one column. data_type: of
    the literal. otherwise: text for it where the relations are not there yet, or the value is null. relation: if it
    is there, a command that only compiles asks as well.
#}
{% macro value_of(query, data_type, otherwise, relation=none) -%}
    {%- set found = namespace(value=none) -%}
    {#- In a unit test the relations are rows of the test, which cannot be asked beforehand. -#}
    {%- set may_ask = execute and '__dbt__cte__' not in query -%}
    {%- if may_ask and (flags.WHICH in ('build', 'run') or (relation and load_relation(relation))) -%}
        {%- set found.value = run_query(query).columns[0].values()[0] -%}
    {%- endif -%}
    cast({{ text_literal(found.value if found.value is not none else otherwise) }} as {{ data_type }})
{%- endmacro %}
