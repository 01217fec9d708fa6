{#
    Rows of runs that were killed before their end, of a relation that a run only adds to: the run that is started again writes
    them anew. A run that failed is in the run log, and what it wrote stays.
#}
{% macro drop_broken_off_rows() -%}
    {%- if execute and load_relation(this) -%}
delete from {{ this }}
where run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs)
    {%- endif -%}
{%- endmacro %}
