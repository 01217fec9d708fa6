{#
    Incremental strategy for relations that runs only add to. In one transaction, the batch is inserted and replaces the
    rows of runs that were killed before their end. Rows of a failed run stay, because the run log has the run. Rows
    that the audit log has entered stay as well.

    Configuration all_on_record, by default true: whether every run that writes the relation has a row in the run log.
    Where it is false, nothing is deleted before the audit log has entered a partition of the relation.
#}
{% macro get_incremental_replace_broken_off_sql(arguments) %}
    {{ return(nightbook._replace_where(arguments, nightbook._is_broken_off() ~ nightbook._is_not_entered(config.get('all_on_record', true)))) }}
{% endmacro %}

{#
    The same for verdicts of the gate. It deletes verdicts of a killed training on candidates that this training judges
    again, because it continues with what was logged. Verdicts that the audit log has entered stay. So do verdicts on
    other candidates, because a version may be registered on them.
#}
{% macro get_incremental_replace_broken_off_verdicts_sql(arguments) %}
    {%- set condition -%}
        {{ nightbook._is_broken_off() }}
        and model_name || ' ' || coalesce(mlflow_run_id, '') in (
            select verdicts.model_name || ' ' || coalesce(verdicts.mlflow_run_id, '')
            from {{ ref('int_gate_verdicts') }} as verdicts
        )
        and model_name || ' ' || run_id || ' ' || rule not in (
            select entries.subject
            from {{ source('audit', 'audit_chain') }} as entries
            where entries.kind = 'gate_decision'
        )
    {%- endset -%}
    {{ return(nightbook._replace_where(arguments, condition)) }}
{% endmacro %}

{#
    The same for versions that a training registers again after it was killed. A version that the audit log has entered
    stays as it is.
#}
{% macro get_incremental_replace_broken_off_versions_sql(arguments) %}
    {%- set condition -%}
        {{ nightbook._is_broken_off() }}
        and model_name || ' ' || mlflow_run_id in (
            select registered.model_name || ' ' || registered.mlflow_run_id
            from {{ ref('registrations') }} as registered
        )
        and model_name || ' version ' || model_version not in (
            select entries.subject
            from {{ source('audit', 'audit_chain') }} as entries
            where entries.kind = 'model_version'
        )
    {%- endset -%}
    {{ return(nightbook._replace_where(arguments, condition, key=['model_name', 'model_version'])) }}
{% endmacro %}

{# Condition that the run of a row has no record in the run log. #}
{% macro _is_broken_off() -%}
    run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs)
{%- endmacro %}

{# Further condition that the audit log has not entered the partition of the row. #}
{% macro _is_not_entered(all_on_record) -%}
    {%- set entered -%}
        select split_part(entries.subject, ' ', 3)
        from {{ source('audit', 'audit_chain') }} as entries
        where entries.kind = 'partition' and split_part(entries.subject, ' ', 1) = '{{ this.identifier | lower }}'
    {%- endset %}
    and run_id not in ({{ entered }})
    {%- if not all_on_record %}
    and exists ({{ entered }})
    {%- endif %}
{%- endmacro %}

{#
    Statements that delete rows of a relation and insert those of a batch.
    arguments: what dbt passes to a strategy.
    key: columns by which rows that stay take precedence over the batch; none where the batch cannot overlap with them.
#}
{% macro _replace_where(arguments, condition, key=[]) -%}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set replace %}
    delete from {{ arguments['target_relation'] }}
    where {{ condition }};

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arguments['temp_relation'] }} as batch
    {%- if key %}
    where
        not exists (
            select 1
            from {{ arguments['target_relation'] }} as kept
            where {% for one in key %}{{ 'and ' if not loop.first }}kept.{{ one }} = batch.{{ one }} {% endfor %}
        )
    {%- endif %};
    {%- endset -%}
    {{ return(in_one_transaction(replace)) }}
{%- endmacro %}
