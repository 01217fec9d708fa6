{#
    The audit log: one entry for every fact that answers for a score, each with the hash of the entry before it. So no
    entry can be changed, removed, inserted or moved without making every later hash wrong. A hook writes it at the end
    of every build, because the run itself is one of the facts.
#}
{% macro ensure_audit_chain() %}
    {%- if execute -%}
        {%- do make_missing_table(nightbook._audit_chain(), nightbook._chain_columns()) -%}
    {%- endif -%}
{% endmacro %}

{#
    Adds to the log the facts that it does not hold yet, and the partitions that this run wrote.

    After a first run that failed early, audit_facts does not exist, and the run alone is added. A run that is in the
    run log and not in the audit log would count as tampering.

    Promotions are left out, because record_promotion enters each of them. A promotion that is missing was inserted by
    other means.
#}
{% macro extend_audit_chain(results) %}
    {%- if execute and invocation_args_dict.which in ('build', 'run') -%}
        {%- set succeeded = results | selectattr('status', 'equalto', 'success') | map(attribute='node.name') | list -%}
        {%- set facts = adapter.get_relation(target.database, 'audit', 'audit_facts') or '(' ~ run_facts(nightbook._run_log()) ~ ')' -%}
        {%- set written = partitions_written(succeeded) -%}
        {%- set chain = nightbook._audit_chain() -%}
        {%- set new_facts %}
            {#- Only the run that made a verdict or a version enters it. Otherwise the next run would enter rows that
                somebody inserted. -#}
            select kind, subject, payload, occurred_at
            from {{ facts }} as facts
            where
                kind = 'run'
                or (kind <> 'promotion' and run_id = '{{ invocation_id }}')
            {%- for partition in written %}
            union all
            select
                'partition' as kind,
                {{ text_literal(partition.subject) }} as subject,
                {{ text_literal(partition.payload) }} as payload,
                {{ started_at() }} as occurred_at
            {%- endfor %}
        {%- endset -%}
        {%- for turn in range(nightbook._turns_of_chain(facts, chain, written | length)) %}
        {{ nightbook._entries_of(new_facts) }}{{ ';' if not loop.last }}
        {%- endfor %}
    {%- endif -%}
{% endmacro %}

{#
    The statement that enters facts into the log, each with the hash of the entry before it. Facts that the log holds
    are left out.
    facts: SQL that gives kind, subject, payload and occurred_at.
#}
{% macro _entries_of(facts) -%}
    {%- set chain = nightbook._audit_chain() -%}
    insert into {{ chain }} (sequence, kind, subject, payload, recorded_at, run_id, previous_hash, entry_hash)
    with recursive

    last_entry as (

        select
            coalesce(max(sequence), 0) as sequence,
            coalesce(max(case when sequence = (select max(sequence) from {{ chain }}) then entry_hash end), '') as entry_hash
        from {{ chain }}

    ),

    facts as (

        {{ facts | indent(12) }}

    ),

    new_facts as (

        select
            facts.kind,
            facts.subject,
            facts.payload,
            row_number() over (order by facts.occurred_at, facts.kind, facts.subject) as number
        from facts
        where
            not exists (
                select 1
                from {{ chain }} as entries
                where entries.kind = facts.kind and entries.subject = facts.subject
            )

    ),

    entries as (

        select
            new_facts.number,
            last_entry.sequence + new_facts.number as sequence,
            new_facts.kind,
            new_facts.subject,
            new_facts.payload,
            cast('{{ modules.datetime.datetime.now(modules.pytz.utc).strftime("%Y-%m-%d %H:%M:%S") }}' as timestamp) as recorded_at,
            {{ text_literal(invocation_id) }} as run_id
        from new_facts
        cross join last_entry
        {%- if links_at_a_time() %}
        where new_facts.number <= {{ links_at_a_time() }}
        {%- endif %}

    ),

    linked (number, previous_hash, entry_hash) as (

        select
            cast(0 as bigint) as number,
            cast('' as varchar) as previous_hash,
            last_entry.entry_hash
        from last_entry

        union all

        select
            cast(entries.number as bigint) as number,
            linked.entry_hash as previous_hash,
            {{ entry_hash('linked.entry_hash', 'entries') }} as entry_hash
        from linked
        inner join entries on entries.number = linked.number + 1

    )

    select
        entries.sequence,
        entries.kind,
        entries.subject,
        entries.payload,
        entries.recorded_at,
        entries.run_id,
        linked.previous_hash,
        linked.entry_hash
    from entries
    inner join linked on entries.number = linked.number
{%- endmacro %}

{#
    The hash of an entry: SHA-256 of the lines previous hash, sequence, kind, subject, time, run and payload.
    previous_hash: expression.
    entry: alias of the row that has the other values.
#}
{% macro entry_hash(previous_hash, entry) -%}
    {{ sha256([
        previous_hash,
        'cast(' ~ entry ~ '.sequence as varchar)',
        entry ~ '.kind',
        entry ~ '.subject',
        timestamp_text(entry ~ '.recorded_at'),
        entry ~ '.run_id',
        entry ~ '.payload',
    ] | join(' || chr(10) || ')) }}
{%- endmacro %}

{# How many entries one statement can add, each linked to the one before it; none where there is no limit. #}
{% macro links_at_a_time() -%}
    {{ return(adapter.dispatch('links_at_a_time', 'nightbook')()) }}
{%- endmacro %}

{# Snowflake accounts were seen to end a recursion after a hundred steps. #}
{% macro default__links_at_a_time() -%}
    {{ return(90) }}
{%- endmacro %}

{% macro duckdb__links_at_a_time() -%}
    {{ return(none) }}
{%- endmacro %}

{#
    How often the statement has to run: for the facts that the log lacks, the run, and the partitions just written.
    partitions: their number.
#}
{% macro _turns_of_chain(facts, chain, partitions) -%}
    {%- if not links_at_a_time() -%}{{ return(1) }}{%- endif -%}
    {%- set counted %}
        select count(*) as new_facts
        from {{ facts }} as facts
        where
            kind <> 'promotion'
            and kind || ' ' || subject not in (select entries.kind || ' ' || entries.subject from {{ chain }} as entries)
    {%- endset -%}
    {{ return(1 + (1 + partitions + run_query(counted).columns[0].values()[0] | int) // links_at_a_time()) }}
{%- endmacro %}

{% macro _chain_columns() -%}
    {{ return({
        'sequence': 'bigint',
        'kind': 'varchar',
        'subject': 'varchar',
        'payload': 'varchar',
        'recorded_at': 'timestamp',
        'run_id': 'varchar',
        'previous_hash': 'varchar',
        'entry_hash': 'varchar',
    }) }}
{%- endmacro %}

{% macro _audit_chain() -%}
    {{ return(api.Relation.create(database=target.database, schema='audit', identifier='audit_chain', type='table')) }}
{%- endmacro %}
