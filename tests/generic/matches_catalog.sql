{# Fails for each feature that only the catalog or only the relation has, and for each whose type differs. #}
{% test matches_catalog(model, model_name, keys) %}
{#- A command that only compiles may find no relation, and Snowflake cannot list the columns of a missing one. -#}
{%- set found = adapter.get_columns_in_relation(model) if execute and (not model.schema or load_relation(model)) else [] %}
with

columns as (

    {%- if found %}
    {%- for column in found if column.name | lower not in keys %}
    {%- set data_type = column.data_type | lower %}
    {#- Snowflake's integers are numbers without a fraction. #}
    {%- set is_integer = column.is_integer() or 'int' in data_type or (column.is_numeric() and column.numeric_scale == 0) %}
    {%- set is_double = column.is_float() or data_type == 'double' %}
    select
        {{ text_literal(column.name | lower) }} as name,
        {{ text_literal("double" if is_double else "integer" if is_integer else data_type) }} as data_type
    {{ "union all" if not loop.last }}
    {%- endfor %}
    {%- else %}
    select '' as name, '' as data_type
    {%- endif %}

),

catalog as (

    select
        name,
        data_type
    from {{ ref('feature_catalog') }}
    where model_name = {{ text_literal(model_name) }}

)

select
    coalesce(columns.name, catalog.name) as name,
    columns.data_type as data_type_of_column,
    catalog.data_type as data_type_in_catalog
from columns
full outer join catalog on columns.name = catalog.name
where columns.name is null or catalog.name is null or columns.data_type != catalog.data_type
{% endtest %}
