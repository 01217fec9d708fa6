{# A bucket from 0 to 99 that depends on the key and the salt alone, the same on every engine. #}
{% macro hash_bucket(key, salt) -%}
    {{ return(adapter.dispatch('hash_bucket', 'nightbook')(key, salt)) }}
{%- endmacro %}

{% macro default__hash_bucket(key, salt) -%}
    mod(to_number(substr(md5('{{ salt }}:' || {{ key }}), 1, 8), 'XXXXXXXX'), 100)
{%- endmacro %}

{% macro duckdb__hash_bucket(key, salt) -%}
    (cast('0x' || substr(md5('{{ salt }}:' || {{ key }}), 1, 8) as bigint) % 100)
{%- endmacro %}
