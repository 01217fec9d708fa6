{#
    Incremental strategy of every history: tonight's partition is replaced whole, in one transaction. Keys that have
    vanished from the input vanish from the partition too. A night without rows leaves an empty partition. The partition
    is the as-of date of int_run, which the model must refer to.
#}
{% macro get_incremental_replace_partition_sql(arguments) %}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set replace %}
    delete from {{ arguments['target_relation'] }}
    where as_of_date in (select as_of_date from {{ ref('int_run') }});

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arguments['temp_relation'] }};
    {%- endset %}
    {{ in_one_transaction(replace) }}
{% endmacro %}
