{#
    Incremental strategy for rows that belong to a run. A run that is started again replaces the rows that it wrote
    itself, and nothing of another run. The run is that of int_run, which the model must refer to. Rows are written in
    turns over int_account_book, accounts_at_a_time.
#}
{% macro get_incremental_replace_run_sql(arguments) %}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set insert -%}
        insert into {{ arguments['target_relation'] }} ({{ columns }})
        select {{ columns }}
        from {{ arguments['temp_relation'] }}
    {%- endset -%}
    {%- set replace %}
    delete from {{ arguments['target_relation'] }}
    where run_id in (select run_id from {{ ref('int_run') }});

    {{ in_turns(insert, config.require('accounts_at_a_time')) }}
    {%- endset %}
    {{ in_one_transaction(replace) }}
{% endmacro %}
