{# A share in [0, 1) that depends on the key and the salt alone, the same on every engine. #}
{% macro hash_share(key, salt) -%}
    ({{ _hash_number(key, salt) }} / 4294967296.0)
{%- endmacro %}

{# A bucket from 0 to 99 that depends on the key and the salt alone, the same on every engine. #}
{% macro hash_bucket(key, salt) -%}
    ({{ _hash_number(key, salt) }} % 100)
{%- endmacro %}

{# The first 32 bits of the MD5 of salt and key. #}
{% macro _hash_number(key, salt) -%}
    {{ return(adapter.dispatch('_hash_number', 'nightbook')(key, salt)) }}
{%- endmacro %}

{% macro default___hash_number(key, salt) -%}
    to_number(substr(md5('{{ salt }}:' || {{ key }}), 1, 8), 'XXXXXXXX')
{%- endmacro %}

{% macro duckdb___hash_number(key, salt) -%}
    cast('0x' || substr(md5('{{ salt }}:' || {{ key }}), 1, 8) as bigint)
{%- endmacro %}
