{#
    Incremental strategy of what belongs to a run: a run that is started again replaces what it had written itself, and
    nothing of another run. The run is that of int_run, which the model must refer to, and it is written in turns over
    int_account_book, accounts_at_a_time.
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
