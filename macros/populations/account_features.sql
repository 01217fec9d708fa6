{#
    All account features in one row.
    behaviour, tenure, bureau_files, exposure: the relations of their families.
#}
{% macro account_features(behaviour, tenure, bureau_files, exposure) %}
with

bureau as (

    select * exclude (account_block)  -- noqa: RF02
    from {{ bureau_files }}
    where {{ in_turn('account_block') }}

)

select *  -- noqa: RF02
from {{ behaviour }}
left join {{ tenure }} using (account_id, as_of_date)
left join bureau using (account_id, as_of_date)
left join {{ exposure }} using (account_id, as_of_date)
{% endmacro %}
