{#
    The warehouse's record of versions and promotions, which decides what scores. This creates its two tables where they
    are missing, and the log of verdicts, which is read with them. An earlier version of the project copied the record
    from the registry. Those rows are taken over where the audit log has entered them, and nothing else is.
#}
{% macro ensure_record() %}
    {%- if execute -%}
        {%- do ensure_audit_chain() -%}
        {%- set verdicts = graph.nodes['model.nightbook.fct_gate_decisions'] -%}
        {%- do make_missing_table(
            api.Relation.create(database=verdicts.database, schema=verdicts.schema, identifier=verdicts.alias, type='table'),
            declared_columns(verdicts)
        ) -%}
        {%- do make_missing_table(nightbook._promotion_log(), nightbook._promotion_columns()) -%}
        {%- do make_missing_table(nightbook._version_log(), nightbook._version_columns()) -%}
        {%- do nightbook._take_over(
            nightbook._promotion_log(), 'fct_promotions', "model_name || ' promotion ' || sequence", promotion_facts
        ) -%}
        {%- do nightbook._take_over(
            nightbook._version_log(), 'fct_model_versions', "model_name || ' version ' || model_version", version_facts
        ) -%}
    {%- endif -%}
{% endmacro %}

{#
    Records a promotion and enters it into the audit log, in one transaction. No promotion is recorded in any other way.
    `approve` and `rollback` run it after they have checked everything.
    promoted_at: UTC, as a text.
#}
{% macro record_promotion(
    model_name, sequence, action, model_version, previous_version, approver, change_request, actor, promoted_at,
    is_by_makers_account
) %}
    {%- do refuse_secondary_roles() -%}
    {%- do ensure_record() -%}
    {%- set log = nightbook._promotion_log() -%}
    {%- set same_promotion = 'model_name = ' ~ text_literal(model_name) ~ ' and sequence = ' ~ sequence | int -%}
    {%- set last = rows_of(
        'select coalesce(max(sequence), 0) as sequence from ' ~ log ~ ' where model_name = ' ~ text_literal(model_name)
    )[0].sequence | int -%}
    {%- set age = (modules.datetime.datetime.utcnow() - modules.datetime.datetime.fromisoformat(promoted_at)).total_seconds() -%}
    {#- A repeated call changes nothing: the promotion is already on record. -#}
    {%- if sequence | int > last and (sequence | int > last + 1 or age | abs > 3600) -%}
        {{ exceptions.raise_compiler_error(
            'promotion ' ~ sequence ~ ' of ' ~ promoted_at ~ ' does not follow promotion ' ~ last ~ ': run `approve` or `rollback` again'
        ) }}
    {%- endif -%}
    {%- set row %}
        insert into {{ log }} ({{ nightbook._promotion_columns() | join(', ') }})
        select
            {{ text_literal(model_name) }},
            {{ sequence | int }},
            {{ text_literal(action) }},
            {{ model_version | int }},
            {{ previous_version | int if previous_version else 'null' }},
            {{ text_literal(approver) }},
            {{ text_literal(change_request) }},
            {{ text_literal(actor) }},
            cast({{ text_literal(promoted_at) }} as timestamp),
            {{ 'true' if is_by_makers_account else 'false' }}
        where not exists (select 1 from {{ log }} where {{ same_promotion }})
    {%- endset -%}
    {%- set fact %}
        select kind, subject, payload, occurred_at
        from ({{ promotion_facts(log, has_account=true) }}) as promotions
        where subject = {{ text_literal(model_name ~ ' promotion ' ~ sequence | int) }}
    {%- endset -%}
    {%- call statement('record_promotion', auto_begin=true) -%}
        {{ in_one_transaction(row ~ ';\n' ~ nightbook._entries_of(fact)) }}
    {%- endcall -%}
    {%- do adapter.commit() -%}
{% endmacro %}

{#
    Each promotion of a relation as a fact of the audit log.
    has_account: false for a relation of an earlier version, which has no is_by_makers_account.
#}
{% macro promotion_facts(relation, has_account=false) -%}
    select
        'promotion' as kind,
        model_name || ' promotion ' || sequence as subject,
        promoted_at as occurred_at,
        cast(null as varchar) as run_id,
        {{ json_text([
            'model_name', 'sequence', 'action', 'model_version', 'previous_version', 'approver', 'change_request', 'actor',
            'promoted_at',
        ] + (['is_by_makers_account'] if has_account else [])) }} as payload
    from {{ relation }}
{%- endmacro %}

{#
    Each version of a relation as a fact of the audit log. Approvals are not in it, because promotions are facts of
    their own.
    has_artifact: false for a relation of an earlier version, which has no artifact_digest.
#}
{% macro version_facts(relation, has_artifact=false) -%}
    select
        'model_version' as kind,
        model_name || ' version ' || model_version as subject,
        registered_at as occurred_at,
        run_id,
        {{ json_text([
            'model_name', 'model_version', 'mlflow_run_id', 'model_digest', 'algorithm', 'maker', 'run_id', 'registered_at',
            'metadata_digest', 'data_digest', 'git_commit',
        ] + (['artifact_digest'] if has_artifact else [])) }} as payload
    from {{ relation }}
{%- endmacro %}

{#
    Fills an empty table of the record from the table in which an earlier version kept a copy of the registry. It takes
    only rows that the audit log has entered with the same content. Once this version has built that relation, it is a
    view.
    subject: expression for a row's name in the log.
    facts: the macro that gives the rows as facts.
#}
{% macro _take_over(relation, mirror, subject, facts) -%}
    {%- set old = adapter.get_relation(target.database, 'audit', mirror) -%}
    {%- if old and old.type == 'table' and not run_query('select 1 from ' ~ relation ~ ' limit 1').rows -%}
        {%- set found = adapter.get_columns_in_relation(old) | map(attribute='name') | map('lower') | list -%}
        {%- set columns = adapter.get_columns_in_relation(relation) | map(attribute='name') | map('lower') | select('in', found) | join(', ') -%}
        {%- call statement('take_over', auto_begin=true) -%}
            insert into {{ relation }} ({{ columns }})
            select {{ columns }}
            from {{ old }}
            where
                {{ subject }} in (
                    select facts.subject
                    from ({{ facts(old) }}) as facts
                    inner join {{ nightbook._audit_chain() }} as entries
                        on facts.kind = entries.kind and facts.subject = entries.subject and facts.payload = entries.payload
                )
        {%- endcall -%}
        {%- do adapter.commit() -%}
    {%- endif -%}
{%- endmacro %}

{% macro _promotion_log() -%}
    {{ return(api.Relation.create(database=target.database, schema='audit', identifier='promotion_log', type='table')) }}
{%- endmacro %}

{% macro _promotion_columns() -%}
    {{ return({
        'model_name': 'varchar',
        'sequence': 'integer',
        'action': 'varchar',
        'model_version': 'integer',
        'previous_version': 'integer',
        'approver': 'varchar',
        'change_request': 'varchar',
        'actor': 'varchar',
        'promoted_at': 'timestamp',
        'is_by_makers_account': 'boolean',
    }) }}
{%- endmacro %}

{% macro _version_log() -%}
    {{ return(api.Relation.create(database=target.database, schema='audit', identifier='version_log', type='table')) }}
{%- endmacro %}

{% macro _version_columns() -%}
    {{ return({
        'model_name': 'varchar',
        'model_version': 'integer',
        'mlflow_run_id': 'varchar',
        'model_digest': 'varchar',
        'algorithm': 'varchar',
        'maker': 'varchar',
        'run_id': 'varchar',
        'registered_at': 'timestamp',
        'metadata_digest': 'varchar',
        'data_digest': 'varchar',
        'git_commit': 'varchar',
        'artifact_digest': 'varchar',
    }) }}
{%- endmacro %}
