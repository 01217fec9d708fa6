{#
    What has landed since the run that last touched a kept relation: read at run time from int_landings, a few hundred
    rows, so that the queries over the history name the loads that they need and read no others.

    kept: name of the model. sources: what it rests on, name in int_landings -> (its versions, expression of their month).
    Gives a dictionary:
      is_void   what is kept must be computed again from nothing: there is nothing yet, a run with an older cutoff sees less
                than it was made of, it was computed by another definition, or the ledger begins elsewhere, which gives the
                silence of every account another meaning
      months    first days of the months that are kept, as text
      changes   name in int_landings -> loads with another number of rows, each a dictionary: load_id, month (text or
                none), after (what was loaded later is new; a load that was stamped before it could be seen is new from
                its first row on)
#}
{% macro kept_news(kept, sources, definition=none) -%}
    {%- set landings, run = ref('int_landings'), ref('int_run') -%}
    {%- set news = {'is_void': true, 'months': [], 'changes': {}} -%}
    {%- for name in sources -%}{%- do news.changes.update({name: []}) -%}{%- endfor -%}
    {%- if not execute -%}{{ return(news) }}{%- endif -%}
    {%- set node = graph.nodes['model.nightbook.' ~ kept] -%}
    {%- set relation = adapter.get_relation(node.database, node.schema, node.alias) -%}
    {%- if not relation -%}{{ return(news) }}{%- endif -%}
    {%- set has_months = 'loan_servicing' in sources -%}
    {%- set found = rows_of(
        "select definition, kept_by, " ~ ("month_start" if has_months else "null as month_start") ~ " from " ~ relation ~ " group by all"
    ) -%}
    {%- set keepers = found | map(attribute='kept_by') | unique | list -%}
    {%- for row in found if row.month_start -%}
        {%- if row.month_start | string not in news.months -%}{%- do news.months.append(row.month_start | string) -%}{%- endif -%}
    {%- endfor -%}
    {%- set before = rows_of(
        "select run_id, " ~ microseconds_text('max(known_at)') ~ " as known_at from " ~ landings ~ " where run_id in " ~ text_list(keepers)
        ~ " group by run_id order by max(started_at) desc limit 1"
    ) -%}
    {%- if not before or (definition and found | rejectattr('definition', 'equalto', definition) | list) -%}
        {{ return(news) }}
    {%- endif -%}
    {#- int_landings has counted what was loaded since the last run that came to a good end; mostly that is the one. -#}
    {%- set is_counted = run_query(
        "select count(*) = 0 from " ~ landings ~ " as landings inner join " ~ run ~ " as run on landings.run_id = run.run_id"
        ~ " where landings.seen_at is distinct from cast(" ~ text_literal(before[0].known_at) ~ " as timestamp)"
    ).columns[0].values()[0] -%}
    {%- set compared %}
        with

        landed as (

            select landings.*
            from {{ landings }} as landings
            inner join {{ run }} as run on landings.run_id = run.run_id
            where landings.relation_name in {{ text_list(sources) }}

        ),

        landed_before as (

            select *
            from {{ landings }}
            where run_id = {{ text_literal(before[0].run_id) }} and relation_name in {{ text_list(sources) }}

        ),

        landed_since as (
            {% if is_counted %}
            select
                relation_name,
                month_start,
                load_id,
                rows_since as row_count
            from landed
            {% else %}
            {% for name, (versions, month) in sources.items() %}
            select
                {{ text_literal(name) }} as relation_name,
                {{ month }} as month_start,
                _load_id as load_id,
                count(*) as row_count
            from {{ versions }}
            where _loaded_at > cast({{ text_literal(before[0].known_at) }} as timestamp)
            group by {{ month }}, _load_id
            {{ 'union all' if not loop.last }}
            {% endfor %}
            {% endif %}
        )

        select
            coalesce(landed.relation_name, landed_before.relation_name) as relation_name,
            {{ date_text('coalesce(landed.month_start, landed_before.month_start)') }} as month_start,
            coalesce(landed.load_id, landed_before.load_id) as load_id,
            coalesce(landed.row_count, 0) - coalesce(landed_before.row_count, 0) as rows_more,
            coalesce(landed.row_count, 0) - coalesce(landed_before.row_count, 0) = coalesce(landed_since.row_count, 0) as is_appended,
            (select min(month_start) from landed where relation_name = 'payments')
            is distinct from (select min(month_start) from landed_before where relation_name = 'payments') as is_other_ledger
        from landed
        full outer join landed_before
            on
                landed.relation_name = landed_before.relation_name
                and landed.month_start is not distinct from landed_before.month_start
                and landed.load_id = landed_before.load_id
        left join landed_since
            on
                landed.relation_name = landed_since.relation_name
                and landed.month_start is not distinct from landed_since.month_start
                and landed.load_id = landed_since.load_id
        where landed.row_count is distinct from landed_before.row_count
    {%- endset -%}
    {%- set changes = rows_of(compared) -%}
    {%- for change in changes if change.rows_more < 0 or change.is_other_ledger -%}{{ return(news) }}{%- endfor -%}
    {%- do news.update({'is_void': false}) -%}
    {%- for change in changes -%}
        {%- do news.changes[change.relation_name].append({
            'load_id': change.load_id,
            'month': change.month_start,
            'after': before[0].known_at if change.is_appended else '0001-01-01 00:00:00',
        }) -%}
    {%- endfor -%}
    {{ return(news) }}
{%- endmacro %}

{#
    kept_news of int_closed_months, for the models that keep it: besides, its definition, and the new_months that it does
    not have yet. One that lands after a later one has been kept makes all void: the later one was told that nothing came before.
#}
{% macro closed_months_news() -%}
    {%- set sources = {
        'loan_servicing': (ref('stg_loan_servicing_versions'), month_start('snapshot_date')),
        'payments': (ref('stg_payment_versions'), month_start('paid_on')),
        'accounts': (ref('stg_account_versions'), 'cast(null as date)'),
    } -%}
    {%- set definition = closed_months_definition() -%}
    {%- set news = kept_news('int_closed_months', sources, definition) -%}
    {%- do news.update({'definition': definition, 'is_void': news.is_void or flags.FULL_REFRESH}) -%}
    {%- set months = closed_months() -%}
    {%- set new_months = months | reject('in', news.months) | list -%}
    {%- if new_months and news.months and new_months | min < news.months | max -%}{%- do news.update({'is_void': true}) -%}{%- endif -%}
    {%- do news.update({'new_months': months if news.is_void else new_months}) -%}
    {{ return(news) }}
{%- endmacro %}

{# What makes a closed month what it is, as a digest. #}
{% macro closed_months_definition() -%}
    {{ return(local_md5(
        (graph.nodes['model.nightbook.int_closed_months'].raw_code if execute else '')
        ~ closed_months_measures() ~ ledger_measures('payments')
    )) }}
{%- endmacro %}

{#
    What has become of int_closed_months since int_closed_windows was computed from it, read off the runs that wrote the
    two. Gives a dictionary:
      month        first day of the month that tonight's windows end with, a literal
      definition   digest of sql, and of what a closed month is
      is_void      all windows must be computed again: they are of another month or definition, or another month, or the
                   whole history, has been kept since
      runs         otherwise, those that have computed accounts again since
#}
{% macro closed_windows_news(sql) -%}
    {%- set closed_months, landings, run = ref('int_closed_months'), ref('int_landings'), ref('int_run') -%}
    {%- set dates = ref('int_as_of_dates') -%}
    {%- set month = value_of(
        'select ' ~ add_months(month_start('run.as_of_date'), '-coalesce(dates.month_lag, 0)') ~ ' from ' ~ run
        ~ ' as run left join ' ~ dates ~ ' as dates on run.as_of_date = dates.as_of_date',
        'date', '1970-01-01', dates
    ) -%}
    {%- set definition = local_md5(sql ~ closed_months_definition()) -%}
    {%- set news = {'month': month, 'definition': definition, 'is_void': true, 'runs': []} -%}
    {%- set kept = adapter.get_relation(this.database, this.schema, this.identifier) if execute -%}
    {%- if not kept or flags.FULL_REFRESH -%}{{ return(news) }}{%- endif -%}
    {%- set keepers %}
        select
            max(runs.started_at) as started_at,
            -- False as well where nothing is kept, or by a run of which nothing is known.
            coalesce(min(keepers.is_current) = 1 and count(runs.run_id) = count(*), false) as is_current
        from (
            select
                kept_by,
                min(case when definition = '{{ definition }}' and month_start = {{ month }} then 1 else 0 end) as is_current
            from {{ kept }}
            group by kept_by
        ) as keepers
        left join (select distinct run_id, started_at from {{ landings }}) as runs on keepers.kept_by = runs.run_id
    {%- endset -%}
    {%- set last = rows_of(keepers)[0] -%}
    {%- if not last.is_current -%}{{ return(news) }}{%- endif -%}
    {%- set later = run_query(
        "select distinct run_id from " ~ landings ~ " where started_at > cast(" ~ text_literal(last.started_at) ~ " as timestamp)"
    ).columns[0].values() -%}
    {%- set found = rows_of(
        "select kept_by, kept_for from " ~ closed_months ~ " where kept_by in " ~ text_list(later) ~ " group by kept_by, kept_for"
    ) -%}
    {%- do news.update({
        'is_void': found | rejectattr('kept_for', 'equalto', 'account') | list | length > 0,
        'runs': found | map(attribute='kept_by') | unique | list,
    }) -%}
    {{ return(news) }}
{%- endmacro %}

{# The measures of int_closed_months, over its rows `months` and the first month of the ledger. #}
{% macro closed_months_measures() -%}
    {{ month_measures('months', 'months.previous_', 'months', 'months.month_start >= ledger_feed.month_start') }}
{%- endmacro %}

{# First days of the months that have a snapshot and a later month with one, as texts. #}
{% macro closed_months() -%}
    {%- set snapshots, months = ref('stg_snapshots'), [] -%}
    {%- if execute and load_relation(snapshots) -%}
        {%- for row in rows_of("select distinct " ~ month_start('snapshot_date') ~ " as month_start from " ~ snapshots ~ " order by 1") -%}
            {%- do months.append(row.month_start | string) -%}
        {%- endfor -%}
    {%- endif -%}
    {{ return(months[:-1]) }}
{%- endmacro %}

{#
    Condition on the versions of a landing table: the row is among the changes. loads: as kept_news gives them. month:
    expression of the row's month, where loads are counted by month. The oldest time of all stands first, by itself, so
    that what was loaded before it is passed over without a look at the rest.
#}
{% macro is_news(loads, month=none) -%}
    {%- set conditions = [] -%}
    {%- for load_id, of_load in loads | groupby('load_id') -%}
        {%- for after, changes in of_load | groupby('after') -%}
            {%- set months = changes | map(attribute='month') | list -%}
            {%- do conditions.append(
                "(_load_id = " ~ text_literal(load_id) ~ " and _loaded_at > cast(" ~ text_literal(after) ~ " as timestamp)"
                ~ (" and " ~ month ~ " in " ~ date_list(months) if month else "") ~ ")"
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if loads -%}
    (
        _loaded_at > cast({{ text_literal(loads | map(attribute='after') | min) }} as timestamp)
        and ({{ conditions | join('\n            or ') }})
    )
    {%- else -%} false {%- endif -%}
{%- endmacro %}

{# A list of dates written out for `in`, from texts. #}
{% macro date_list(dates) -%}
    {%- set written = [] -%}
    {%- for date in dates -%}{%- do written.append('cast(' ~ text_literal(date) ~ ' as date)') -%}{%- endfor -%}
    ({{ written | join(', ') if written else 'cast(null as date)' }})
{%- endmacro %}
