{#
    Incremental strategy for what is kept from night to night, in one transaction. A batch that is the whole history
    replaces it. Otherwise accounts (or another stale_key) that were computed again lose their old rows, and new months
    are added.

    The batch says in kept_for why a row is there: history, month, the name of what was stale, or gone for a key that
    has no rows left. Whether the batch is the whole history comes from changes_of, because a history without rows
    cannot say it.
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
    Statements that insert a whole history into a relation. To limit memory, they run in turns where the model sets
    accounts_at_a_time. They run for some months at a time where it sets rows_at_a_time.
    columns: none for all.
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
    How many months of history fit into the memory of one statement: the model's rows_at_a_time divided by the landed
    rows of the largest month. They are as many as possible, because planning a statement costs half a second.
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
