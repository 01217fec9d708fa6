{#
    A query for the group of each case: the keys of the cases, attribute and group_name. The group is `unknown` where
    the customer or the value is not known. Groups are derived here alone. The seed protected_attributes lists the
    attributes.

    cases: relation or CTE with the keys, customer_id and as_of_date.
    keys: its key. Values are those known on the date.
#}
{% macro protected_groups(cases, keys) -%}
{%- set key = prefixed(keys, 'cases') -%}
select
    {{ prefixed(keys, 'described') }},
    attributes.attribute,
    coalesce(
        case attributes.attribute
            when 'age_band' then bands.age_band
            when 'state' then described.state
        end,
        'unknown'
    ) as group_name
from (
    select
        {{ key }},
        customers.state,
        {{ whole_years('customers.birth_date', 'cases.as_of_date') }} as age
    from {{ cases }} as cases
    left join {{ ref('stg_customer_versions') }} as customers on cases.customer_id = customers.customer_id
    qualify
        row_number() over (
            partition by {{ key }}
            order by {{ version_order_as_of('customers._loaded_at', 'customers._load_id', 'cases.as_of_date') }}
        ) = 1
) as described
cross join {{ ref('protected_attributes') }} as attributes
left join {{ ref('age_bands') }} as bands on described.age >= bands.age_from and described.age < bands.age_to
{%- endmacro %}

{# Columns of a relation, each with the relation's name before it. #}
{% macro prefixed(columns, relation) -%}
    {%- for column in columns %}{{ relation }}.{{ column }}{{ ', ' if not loop.last }}{% endfor -%}
{%- endmacro %}

{# Whole years from one date to a later one: an age. A person born on 29 February turns a year older on 1 March. #}
{% macro whole_years(earlier, later) -%}
    cast(
        extract(year from {{ later }}) - extract(year from {{ earlier }})
        - case
            when extract(month from {{ later }}) * 100 + extract(day from {{ later }})
                < extract(month from {{ earlier }}) * 100 + extract(day from {{ earlier }})
                then 1
            else 0
        end as integer
    )
{%- endmacro %}

{#
    A qualify that keeps the largest known group of each key, by name where two are equally large. It is the reference
    group of an attribute that declares none.
    groups: relation with the keys, group_name and case_count.
#}
{% macro first_is_reference(groups, keys) -%}
    qualify
        row_number() over (
            partition by {{ prefixed(keys, groups) }}
            order by
                case when {{ groups }}.group_name = 'unknown' then 1 else 0 end,
                {{ groups }}.case_count desc,
                {{ groups }}.group_name
        ) = 1
{%- endmacro %}
