{#
    Public relations whose rows the audit log does not hash as partitions of their own, and what covers them instead:
    the names of the tables under a view. There are none for rows that are facts of the log or are computed on demand.
#}
{% macro audited_otherwise() -%}
    {{ return({
        'fct_audit_log': [],
        'fct_deadlines': [],
        'fct_fairness': ['fairness_of_nights', 'fairness_of_trainings'],
        'fct_gate_decisions': [],
        'fct_lineage_edges': ['lineage_nightly', 'lineage_weekly'],
        'fct_model_versions': [],
        'fct_promotions': [],
        'fct_runs': [],
        'fct_score_partitions': [],
        'fct_test_rules': [],
    }) }}
{%- endmacro %}

{#
    Every relation whose partitions the audit log enters: all that are public or have a contract, except
    audited_otherwise. A list of dictionaries:
      name         under which it is entered: the model whose success means that the rows are written
      relation     the relation of that name
      written_to   the relation that holds the rows, which differs where `relation` is a view
      date_column  the column of the partition's date; none where there is no date
      run_column   the column of the partition's run
      kept         what a run leaves of earlier runs: `run` all rows, `date` other dates, `last` nothing
#}
{% macro published_relations() -%}
    {%- set found, otherwise = [], audited_otherwise() -%}
    {%- for node in graph.nodes.values() | sort(attribute='name') if node.resource_type == 'model'
        and (node.access == 'public' or node.config.contract.enforced) -%}
        {%- for name in otherwise.get(node.name, [node.name]) -%}
            {%- do found.append(nightbook._published_relation(name)) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{% macro _published_relation(name) -%}
    {%- set node = graph.nodes['model.' ~ project_name ~ '.' ~ name] -%}
    {%- set is_lineage = name.startswith('lineage_') -%}
    {#- The view joins rows that were written before the scores. -#}
    {%- set rows_of = graph.nodes['model.' ~ project_name ~ '.account_inputs'] if name == 'rpt_regulatory_features' else node -%}
    {%- set kept = 'run' -%}
    {%- if node.config.materialized == 'view' or node.config.incremental_strategy == 'replace_partition' -%}
        {%- set kept = 'date' -%}
    {%- elif node.config.materialized == 'table' and not is_lineage -%}
        {%- set kept = 'last' -%}
    {%- endif -%}
    {{ return({
        'name': name,
        'relation': api.Relation.create(database=node.database, schema=node.schema, identifier=node.alias),
        'written_to': api.Relation.create(database=rows_of.database, schema=rows_of.schema, identifier=rows_of.alias),
        'date_column': none if is_lineage else 'as_of_date',
        'run_column': 'manifest_digest' if is_lineage else 'run_id',
        'kept': kept,
    }) }}
{%- endmacro %}

{# Columns of relations as they are in the warehouse, schema.name -> column -> type, in lower case, from one query. #}
{% macro standing_columns(relations) -%}
    {%- set schemas, found = [], {} -%}
    {%- for relation in relations -%}
        {%- do schemas.append("'" ~ relation.schema | lower ~ "'") -%}
    {%- endfor -%}
    {%- set columns_query -%}
        select lower(table_schema || '.' || table_name), lower(column_name), lower(data_type)
        from information_schema.columns
        where
            lower(table_catalog) = '{{ target.database | lower }}'
            and lower(table_schema) in ({{ schemas | unique | sort | join(', ') }})
        order by 1, 2
    {%- endset -%}
    {%- for row in run_query(columns_query).rows -%}
        {%- do found.setdefault(row[0], {}).update({row[1]: row[2]}) -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#
    A query for the digest of every partition of a published relation: relation_name, as_of_date, run_id, row_count,
    digest, column_names and other_values. The last counts values in columns that the digest does not cover.

    published: an element of published_relations.
    relation: where the rows are read.
    columns: names of the digested columns, without those that divide the relation.
    types: column -> type, for the whole relation.
    condition: which rows.

    Each row's text is hashed. The hashes are sorted and hashed again in 256 blocks, by how they begin, and then the
    hashes of the blocks. No order of rows and no key is needed, and no text is longer than the memory of a small
    machine.
#}
{% macro partition_digests(published, relation, columns, types, condition='true') -%}
    {%- set others = [] -%}
    {%- for column in types if column not in columns + [published.date_column, published.run_column]
        and published.name != 'rpt_regulatory_features' -%}
        {%- do others.append('case when ' ~ column ~ ' is null then 0 else 1 end') -%}
    {%- endfor -%}
    select
        '{{ published.name }}' as relation_name,
        as_of_date,
        run_id,
        cast(sum(row_count) as bigint) as row_count,
        {{ sha256(texts_in_order('digest', 'digest')) }} as digest,
        '{{ columns | join(' ') }}' as column_names,
        cast(sum(other_values) as bigint) as other_values
    from (
        select
            as_of_date,
            run_id,
            count(*) as row_count,
            sum(other_values) as other_values,
            {{ sha256(texts_in_order('row_digest', 'row_digest')) }} as digest
        from (
            select
                {{ published.date_column or 'cast(null as date)' }} as as_of_date,
                {{ published.run_column }} as run_id,
                {{ others | join(' + ') or '0' }} as other_values,
                substr({{ sha256(nightbook._exact_text_of_row(columns, types)) }}, 1, 32) as row_digest
            from {{ relation }}
            where {{ condition }}
        ) as hashed
        group by as_of_date, run_id, substr(row_digest, 1, 2)
    ) as blocks
    group by as_of_date, run_id
{%- endmacro %}

{# A row as one text that no other row has, with bars between the values. #}
{% macro _exact_text_of_row(columns, types) -%}
    {%- set texts = [] -%}
    {%- for column in columns -%}
        {%- if column == 'beyond_float32' -%}
            {%- do texts.append(exact_text(nightbook._beyond_float32(columns, types), 'double')) -%}
        {%- else -%}
            {%- do texts.append(exact_text(column, types[column])) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ joined_texts(texts) }}
{%- endmacro %}

{#
    Which columns of a night's model inputs the audit log digests by itself. Each score already has a digest of all that
    the model read, as float32. Hashing two hundred columns again would cost a night of a large book a twentieth of its
    time. So DuckDB digests only the rest: columns that the model did not read, and the digits that float32 omits.
#}
{% macro digested_inputs(types, features) -%}
    {{ return(adapter.dispatch('digested_inputs', 'nightbook')(types, features)) }}
{%- endmacro %}

{% macro default__digested_inputs(types, features) -%}
    {{ return(types | reject('in', ['as_of_date', 'run_id']) | sort) }}
{%- endmacro %}

{% macro duckdb__digested_inputs(types, features) -%}
    {{ return(types | reject('in', ['as_of_date', 'run_id'] + features) | sort + ['beyond_float32']) }}
{%- endmacro %}

{# What float32 omits of a row's doubles, added up in a fixed order. Columns that are digested whole are left out. #}
{% macro _beyond_float32(columns, types) -%}
    {%- set parts = [] -%}
    {%- for column in types | sort if types[column] == 'double' and column not in columns -%}
        {%- do parts.append('coalesce(' ~ column ~ ' - cast(' ~ column ~ ' as float), 0)') -%}
    {%- endfor -%}
    ({{ parts | join(' + ') or '0' }})
{%- endmacro %}

{# The inputs whose digest rpt_regulatory_features shows; none where nobody is scored. #}
{% macro _features_of_tonight() -%}
    {{ return(run_query(
        'select distinct feature from scoring.reference_shares where model_name in '
        ~ text_list(scoring_models() | selectattr('scores', 'equalto', 'fct_account_scores') | map(attribute='model_name'))
    ).columns[0].values() | list) }}
{%- endmacro %}

{#
    The partitions that this run wrote, for the audit log: a list of dictionaries, subject and payload.
    names: the models that succeeded. A relation that keeps the rows of every run enters all of them the first time.
#}
{% macro partitions_written(names) -%}
    {%- set written, queries, runs = [], [], ["'" ~ invocation_id ~ "'"] -%}
    {%- set published, empty_partitions, qualified_names = [], {}, {} -%}
    {%- for one in published_relations() if one.name in names -%}
        {%- do published.append(one) -%}
    {%- endfor -%}
    {%- if not published and 'fct_score_partitions' not in names -%}
        {{ return([]) }}
    {%- endif -%}
    {%- set standing = standing_columns(published | map(attribute='written_to') | list + [nightbook._audit_chain()]) -%}
    {#- Scores and what is published with them belong to the run that int_run names, even where dbt finishes them in
        another invocation. -#}
    {%- set run = (rows_of('select as_of_date, run_id from intermediate.int_run')
        if adapter.get_relation(target.database, 'intermediate', 'int_run') else [none])[0] -%}
    {%- if run -%}
        {%- do runs.append("'" ~ run.run_id ~ "'") -%}
    {%- endif -%}
    {%- set entered = run_query(
        "select distinct split_part(subject, ' ', 1) from " ~ nightbook._audit_chain() ~ " where kind = 'partition'"
    ).columns[0].values() | list -%}
    {%- for one in published -%}
        {%- do qualified_names.update({one.name: (one.written_to.schema ~ '.' ~ one.written_to.identifier) | lower}) -%}
        {%- set types = standing.get(qualified_names[one.name], {}) -%}
        {%- set columns = types | reject('in', [one.date_column, one.run_column]) | sort -%}
        {%- set condition = one.run_column ~ ' in (' ~ runs | join(', ') ~ ')' -%}
        {%- if one.name == 'rpt_regulatory_features' -%}
            {%- set columns = digested_inputs(types, nightbook._features_of_tonight()) -%}
        {%- elif one.run_column != 'run_id' -%}
            {%- set condition = one.run_column ~ ' in (select ' ~ one.run_column ~ ' from audit.run_provenance)' -%}
        {%- endif -%}
        {%- if one.kept == 'run' and one.name not in entered -%}
            {%- set condition = 'true' -%}
        {%- endif -%}
        {%- if one.name in scores_digested() -%}
            {#- Scores are entered below. Their digests are those of fct_score_partitions, as in the first version. -#}
        {%- elif types -%}
            {%- do queries.append(partition_digests(one, one.written_to, columns, types, condition)) -%}
            {%- if one.kept != 'run' and run -%}
                {%- do empty_partitions.update({one.name: columns | join(' ')}) -%}
            {%- endif -%}
        {%- endif -%}
    {%- endfor -%}
    {%- if run and adapter.get_relation(target.database, 'marts', 'fct_score_partitions') -%}
        {%- for name in scores_digested() if name in names or 'fct_score_partitions' in names -%}
            {%- do empty_partitions.update({name: none}) -%}
            {#- With literals the engine reads one partition and not all of them. -#}
            {%- set query %}
                select relation_name, as_of_date, run_id, row_count, digest, null as column_names, 0 as other_values
                from marts.fct_score_partitions
                where
                    relation_name = '{{ name }}'
                    and as_of_date = cast('{{ run.as_of_date }}' as date)
                    and run_id = '{{ run.run_id }}'
            {%- endset -%}
            {%- do queries.append(query) -%}
        {%- endfor -%}
    {%- endif -%}
    {%- for row in (run_query(queries | join('\nunion all\n')).rows if queries else []) -%}
        {%- if run and row[2] == run.run_id -%}
            {%- do empty_partitions.pop(row[0], none) -%}
        {%- endif -%}
        {%- set types = standing.get(qualified_names.get(row[0], ''), {}) if row[0] != 'rpt_regulatory_features' else {} -%}
        {%- do written.append(nightbook._partition_fact(row[0], row[1], row[2], row[3] | int, row[4], row[5], types)) -%}
    {%- endfor -%}
    {#- A run that wrote no row enters an empty partition. -#}
    {%- for name, columns in empty_partitions.items() -%}
        {%- do written.append(nightbook._partition_fact(name, run.as_of_date, run.run_id, 0, '', columns)) -%}
    {%- endfor -%}
    {{ return(written) }}
{%- endmacro %}

{# Relations whose partitions have the digests of fct_score_partitions. #}
{% macro scores_digested() -%}
    {{ return(scoring_models() | map(attribute='scores') | list) }}
{%- endmacro %}

{# types: column -> type in which the values were written; empty where the digest covers something else. #}
{% macro _partition_fact(name, as_of_date, run_id, row_count, digest, columns, types={}) -%}
    {{ return({
        'subject': name ~ ' ' ~ (as_of_date or '-') ~ ' ' ~ (run_id or '-'),
        'payload': '{"row_count":' ~ row_count ~ ',"digest":"' ~ digest ~ '"'
            ~ (',"column_names":"' ~ columns ~ '"' if columns is not none else '')
            ~ (',"column_types":' ~ tojson(types, sort_keys=true) if types else '') ~ '}',
    }) }}
{%- endmacro %}
