{#
    Incremental strategy of what a run only adds to: its rows join those that are there, and take the place of what runs left
    that were killed before their end, in one transaction. A run that failed is in the run log, and what it wrote stays; so does
    what the audit log has entered. Configuration all_on_record, true unless it is said: whether every run that writes the relation
    has a row in the run log; where not, nothing is taken out before the audit log has entered what stands there.
#}
{% macro get_incremental_replace_broken_off_sql(arguments) %}
    {{ return(nightbook._replace_where(arguments, nightbook._is_broken_off() ~ nightbook._is_not_entered(config.get('all_on_record', true)))) }}
{% endmacro %}

{#
    The same for verdicts of the gate: of a training that was killed, those on candidates that this one judges again, because it
    goes on with what was logged. What the audit log has entered stays, and so does the verdict on a candidate that has become
    another one, because a version may be registered on it.
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

{# The same for versions that a training registers again after it was killed; a version that stands, and is entered, stays as it is. #}
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

{# Condition on a row that its run left no record. #}
{% macro _is_broken_off() -%}
    run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs)
{%- endmacro %}

{# And that the audit log has not entered what it stands in. #}
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
    Statements that take rows out of a relation and put those of a batch in. arguments: what dbt hands to a strategy. key: columns
    of which what stays in the relation goes before the batch; none where the batch cannot meet any.
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
