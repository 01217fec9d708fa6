{#
    Incremental strategy of what is kept from night to night: a batch that is the whole history replaces it, the accounts
    (or whatever stale_key names) that it has computed again lose their old rows, and new months join those that are
    there. One transaction. The batch says in kept_for which it is: history, month, the name of what was stale, or gone,
    for a key of which nothing is left. A model that computes the whole history writes so into its SQL, because a history
    of no row at all has none to say it.
#}
{% macro get_incremental_replace_stale_sql(arguments) %}
    {%- set columns = arguments['dest_columns'] | map(attribute='quoted') | join(', ') -%}
    {%- set key = config.get('stale_key', 'account_id') -%}
    delete from {{ arguments['target_relation'] }}
    where
        {{ '/* the whole history */' in compiled_code }}
        or {{ key }} in (
            select {{ key }} from {{ arguments['temp_relation'] }} where kept_for not in ('history', 'month')
        );

    insert into {{ arguments['target_relation'] }} ({{ columns }})
    select {{ columns }}
    from {{ arguments['temp_relation'] }}
    where kept_for != 'gone';
{% endmacro %}
