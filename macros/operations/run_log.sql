{#
    The table in which every build that scores or trains leaves a row. Hooks write it, because no model can know how its
    own run ended.
#}
{% macro ensure_run_log() %}
    {%- if execute -%}
        {%- do make_missing_table(nightbook._run_log(), nightbook._run_log_columns()) -%}
        {%- do add_missing_columns(nightbook._run_log(), nightbook._run_log_columns()) -%}
    {%- endif -%}
{% endmacro %}

{#
    At the end of a run: its row in the run log and its entries in the audit log, in one transaction. Otherwise a run
    killed in between would be on record without its scores.
#}
{% macro record_end(results) %}
    {%- if execute -%}
        {%- do refuse_broken_chain() -%}
        {%- set statements = [] -%}
        {%- for sql in (record_run(results), extend_audit_chain(results)) if sql | trim -%}
            {%- do statements.append(sql | trim) -%}
        {%- endfor -%}
        {%- if statements -%}
            {%- call statement('record_end', auto_begin=true) -%}
                {{ in_one_transaction(statements | join(';\n')) }}
            {%- endcall -%}
            {#- dbt rolls the hook's own transaction back when the hook ends. -#}
            {%- do adapter.commit() -%}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}

{#
    One row for a build that scored or trained, whether it succeeded or failed. A hook cannot use ref(), so it names
    schemas.
#}
{% macro record_run(results) %}
    {%- if execute and cadence() in ('nightly', 'weekly', 'full') and invocation_args_dict.which in ('build', 'run') -%}
        {%- set request = requested() -%}
        {%- set failed = results | selectattr('status', 'in', ['error', 'fail']) | list -%}
        {%- set succeeded = results | selectattr('status', 'equalto', 'success') | map(attribute='node') | list -%}
        {%- set names = succeeded | map(attribute='name') | list -%}
        insert into {{ nightbook._run_log() }} ({{ nightbook._run_log_columns() | join(', ') }})
        select
            {{ text_literal(invocation_id) }},
            '{{ cadence() }}',
            {{ '(select as_of_date from intermediate.int_run)' if 'int_run' in names else 'null' }},
            cast('{{ request.known_at }}' as timestamp),
            {{ text_literal(request.actor) }},
            {{ started_at() }},
            cast('{{ modules.datetime.datetime.now(modules.pytz.utc).strftime("%Y-%m-%d %H:%M:%S.%f") }}' as timestamp),
            '{{ "failed" if failed else "succeeded" }}',
            {{ text_literal(failed[0].node.name) if failed else 'null' }},
            {{ '(select count(*) from scoring.tonight_account_scores)' if 'fct_account_scores' in names else 'null' }},
            {{ '(select count(*) from scoring.tonight_application_scores)'
                if 'fct_application_scores' in names else 'null' }},
            {%- for column in nightbook._provenance_columns() %}
            {{ '(select ' ~ column ~ ' from audit.run_provenance)' if 'run_provenance' in names else 'null' }},
            {%- endfor %}
            {{ text_literal(tojson(nightbook._rows_by_relation(succeeded))) }},
            nullif({{ text_literal(request.pinned_versions) }}, ''),
            nullif({{ text_literal(request.overrides) }}, ''),
            nullif({{ text_literal(request.override_reason) }}, '')
    {%- endif -%}
{% endmacro %}

{# The runs of a run log as facts of the audit log. run_log: its relation. #}
{% macro run_facts(run_log) -%}
select
    'run' as kind,
    run_id as subject,
    ended_at as occurred_at,
    run_id,
    {{ json_text([
        'run_id', 'cadence', 'as_of_date', 'known_at', 'actor', 'started_at', 'ended_at', 'outcome', 'first_failure',
        'accounts_scored', 'applications_scored', 'git_commit', 'is_dirty', 'manifest_digest', 'library_digest',
        'lock_digest', 'tests_digest', 'engine', 'versions', 'rows_by_relation',
        'pinned_versions', 'overrides', 'override_reason',
    ]) }} as payload
from {{ run_log }}
{%- endmacro %}

{% macro _run_log() -%}
    {{ return(api.Relation.create(database=target.database, schema='audit', identifier='run_log', type='table')) }}
{%- endmacro %}

{% macro _run_log_columns() -%}
    {%- set columns = {
        'run_id': 'varchar',
        'cadence': 'varchar',
        'as_of_date': 'date',
        'known_at': 'timestamp',
        'actor': 'varchar',
        'started_at': 'timestamp',
        'ended_at': 'timestamp',
        'outcome': 'varchar',
        'first_failure': 'varchar',
        'accounts_scored': 'bigint',
        'applications_scored': 'bigint',
    } -%}
    {%- do columns.update(nightbook._provenance_columns()) -%}
    {%- do columns.update({
        'rows_by_relation': 'varchar',
        'pinned_versions': 'varchar',
        'overrides': 'varchar',
        'override_reason': 'varchar',
    }) -%}
    {{ return(columns) }}
{%- endmacro %}

{# What run_provenance says of the code, column -> type. #}
{% macro _provenance_columns() -%}
    {{ return({
        'git_commit': 'varchar',
        'is_dirty': 'boolean',
        'manifest_digest': 'varchar',
        'library_digest': 'varchar',
        'lock_digest': 'varchar',
        'tests_digest': 'varchar',
        'engine': 'varchar',
        'versions': 'varchar',
    }) }}
{%- endmacro %}

{#
    Row counts of the tables among the nodes that were built, schema.name -> count, from one query. Counting views would
    cost too much.
#}
{% macro _rows_by_relation(nodes) -%}
    {%- set rows, counts = {}, [] -%}
    {%- for node in nodes if node.config.materialized in ('table', 'incremental', 'seed', 'snapshot') -%}
        {%- set relation = api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias) -%}
        {%- do counts.append(
            'select ' ~ text_literal(node.schema ~ '.' ~ node.alias) ~ ' as relation_name, count(*) as row_count from ' ~ relation
        ) -%}
    {%- endfor -%}
    {%- for row in run_query((counts | join(' union all ')) ~ ' order by relation_name').rows if counts -%}
        {%- do rows.update({row[0]: row[1] | int}) -%}
    {%- endfor -%}
    {{ return(rows) }}
{%- endmacro %}
