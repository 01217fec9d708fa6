{#
    Creates each landing table that no loader has created, empty: a lender without a bureau feed can still run. An
    existing table must have the columns of the contract, in types that keep its values. The columns are those of the
    source's YAML, which defines the landing contract in the warehouse.
#}
{% macro ensure_landing_tables() %}
    {%- if execute -%}
        {%- for source in graph.sources.values() if source.source_name == 'raw' -%}
            {%- set relation = api.Relation.create(
                database=source.database, schema=source.schema, identifier=source.identifier, type='table') -%}
            {%- set columns = declared_columns(source) -%}
            {%- do make_missing_table(relation, columns) -%}
            {%- do refuse_other_columns(relation, columns) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{# Raises an error for a landing table that lacks a column or has one in another type. columns: name -> type. #}
{% macro refuse_other_columns(relation, columns) %}
    {%- set found = {} -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {%- do found.update({column.name | lower: column.data_type | lower}) -%}
    {%- endfor -%}
    {%- set name = relation.schema ~ '.' ~ relation.identifier -%}
    {%- for column, data_type in columns.items() -%}
        {%- if column not in found -%}
            {%- set others = found.keys() | reject('in', columns) | sort | join(', ') -%}
            {{ exceptions.raise_compiler_error(
                name ~ '.' ~ column ~ ': expected ' ~ data_type ~ ', found no such column'
                ~ (', but ' ~ others ~ ', which is not in the contract: was it renamed?' if others else '.')
                ~ ' Nothing was built; land the table as the contract says.'
            ) }}
        {%- elif same_type(found[column]) != same_type(data_type) -%}
            {{ exceptions.raise_compiler_error(
                name ~ '.' ~ column ~ ': expected ' ~ same_type(data_type) ~ ', found ' ~ same_type(found[column])
                ~ '. Nothing was built; land the table as the contract says.'
            ) }}
        {%- endif -%}
    {%- endfor -%}
{% endmacro %}

{# One name for a type that engines and loaders call by different names. #}
{% macro same_type(data_type) -%}
    {%- set plain = data_type | lower | replace(' ', '') -%}
    {%- set names = {
        'text': 'varchar', 'string': 'varchar', 'int': 'integer', 'int4': 'integer', 'bool': 'boolean',
        'timestamp_ntz': 'timestamp', 'number(38,0)': 'integer', 'bigint': 'integer', 'smallint': 'integer',
    } -%}
    {%- if plain.startswith('varchar(') or plain.startswith('charactervarying') -%}{{ return('varchar') }}{%- endif -%}
    {%- if plain.startswith('timestamp_ntz') or plain in ('timestamp_us', 'timestamp_ms', 'timestamp_s', 'timestamp_ns', 'datetime') -%}
        {{ return('timestamp') }}
    {%- endif -%}
    {{ return(names.get(plain, plain | replace('number(', 'decimal(') | replace('numeric(', 'decimal('))) }}
{%- endmacro %}
