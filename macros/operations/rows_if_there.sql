{#
    A query for some columns of a relation that a run of the other cadence makes. It has no rows where there has been no
    such run yet.
    columns: name -> type.
#}
{% macro rows_if_there(relation, columns) -%}
    {%- if not execute or not relation.schema or load_relation(relation) -%}
select {{ columns | join(', ') }}
from {{ relation }}
    {%- else -%}
select
        {%- for name, data_type in columns.items() %}
    cast(null as {{ data_type }}) as {{ name }}{{ "," if not loop.last }}
        {%- endfor %}
limit 0
    {%- endif -%}
{%- endmacro %}
