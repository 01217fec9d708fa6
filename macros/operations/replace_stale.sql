{#
    Incremental strategy of what is kept from night to night: a batch that is the whole history replaces it, the accounts
    (or whatever stale_key names) that it has computed again lose their old rows, and new months join those that are
    there. One transaction. The batch says in kept_for which it is: history, month, the name of what was stale, or gone,
    for a key of which nothing is left. Whether it is the whole history is asked of changes_of, because a history of no row
    at all has none to say it.
#}
{% macro get_incremental_replace_stale_sql(arguments) %}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set key = config.get('stale_key', 'account_id') -%}
    {%- set replace %}
    {%- if changes_of(model.name).is_whole %}
    delete from {{ arguments['target_relation'] }};
    {{ insert_history(arguments['target_relation'], columns, arguments['temp_relation']) }}
    {%- else %}
    delete from {{ arguments['target_relation'] }}
    where
        {{ key }} in (
            select {{ key }} from {{ arguments['temp_relation'] }} where kept_for != 'month'
        );

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arguments['temp_relation'] }}
    where kept_for != 'gone';
    {%- endif %}
    {%- endset %}
    {{ in_one_transaction(replace) }}
{% endmacro %}

{#
    Statements that put a whole history into a relation: in turns where the model says accounts_at_a_time, some months at a
    time where it is made of months, which needs the memory of those. columns: none for all.
#}
{% macro insert_history(relation, columns, batch) -%}
    {%- set insert -%}
    insert into {{ relation }} {{ '(' ~ columns ~ ')' if columns }}
    select {{ columns or '*' }}
    from {{ batch }}
    {%- endset -%}
    {%- if config.get('accounts_at_a_time') -%}
        {{ in_turns(insert, config.get('accounts_at_a_time')) }}
    {%- else -%}
        {%- set history = changes_of(model.name).new_months if config.get('rows_at_a_time') else [] -%}
        {%- for months in (history | batch(months_at_a_time()) if history else [none]) %}
    {{ insert }}
            {%- if months %}
    where month_start in {{ date_list(months) }}
            {%- endif %};
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#
    How many months of history fit into the memory of one statement: by the rows that landed of the largest month, as many
    as the model's rows_at_a_time allows. Planning a statement costs half a second, whatever it writes.
#}
{% macro months_at_a_time() -%}
    {%- set largest %}
        select max(months.row_count)
        from (
            select sum(landings.row_count) as row_count
            from {{ ref('int_landings') }} as landings
            inner join {{ ref('int_run') }} as run on landings.run_id = run.run_id
            where landings.month_start is not null
            group by landings.month_start
        ) as months
    {%- endset -%}
    {%- set rows = run_query(largest).columns[0].values()[0] if execute else none -%}
    {{ return([1, config.require('rows_at_a_time') // ([1, rows or 1] | max) | int] | max) }}
{%- endmacro %}
