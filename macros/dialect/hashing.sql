{# A share in [0, 1) that depends on the key and the salt alone. It is the same on every engine. #}
{% macro hash_share(key, salt) -%}
    (cast({{ _hash_number(key, salt) }} as double) / 4294967296)
{%- endmacro %}

{# A bucket from 0 to 99 that depends on the key and the salt alone. It is the same on every engine. #}
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

{#
    A number from 0 to 63 that depends on the account alone. A book that does not fit into memory is processed by these
    numbers. They differ between engines, but no result depends on them.
#}
{% macro account_block(account_id) -%}
    cast(mod({{ engine_hash(account_id) }}, 64) as tinyint)
{%- endmacro %}

{# A number from one or more columns, by the engine's own hash: fast, but different on each engine. #}
{% macro engine_hash(columns) -%}
    {{ return(adapter.dispatch('engine_hash', 'nightbook')(columns)) }}
{%- endmacro %}

{% macro default__engine_hash(columns) -%}
    abs(hash({{ columns }}))
{%- endmacro %}

{% macro duckdb__engine_hash(columns) -%}
    hash({{ columns }})
{%- endmacro %}

{# SHA-256 of a text, 64 hexadecimal digits in lower case. #}
{% macro sha256(text) -%}
    {{ return(adapter.dispatch('sha256', 'nightbook')(text)) }}
{%- endmacro %}

{% macro default__sha256(text) -%}
    sha2({{ text }}, 256)
{%- endmacro %}

{% macro duckdb__sha256(text) -%}
    sha256({{ text }})
{%- endmacro %}
