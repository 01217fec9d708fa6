{#
    Rows of runs that were killed before their end, of a relation that a run only adds to: the run that is started again writes
    them anew. A run that failed is in the run log, and what it wrote stays; so does what the audit log has entered.

    all_on_record: whether every run that writes the relation has a row in the run log; where not, nothing is taken out before
    the audit log has entered what stands there.
#}
{% macro drop_broken_off_rows(all_on_record=true) -%}
    {%- if execute and load_relation(this) -%}
    {%- set entered -%}
        select split_part(entries.subject, ' ', 3)
        from {{ source('audit', 'audit_chain') }} as entries
        where entries.kind = 'partition' and split_part(entries.subject, ' ', 1) = '{{ this.identifier | lower }}'
    {%- endset -%}
delete from {{ this }}
where
    run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs)
    and run_id not in ({{ entered }})
    {%- if not all_on_record %}
    and exists ({{ entered }})
    {%- endif %}
    {%- endif -%}
{%- endmacro %}
