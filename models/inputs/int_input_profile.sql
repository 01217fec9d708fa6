-- One row per landing table, column, category and measure: what tonight's rows look like. Every input check reads this, and a
-- training keeps it with the version that it makes.
{{ config(materialized='table') }}

{%- set night, tables = ref('int_night'), input_tables() %}
{%- set as_of_date = value_of('select as_of_date from ' ~ night, 'date', '1970-01-01', night) %}
{%- set snapshot_before = value_of('select snapshot_before from ' ~ night, 'date', '0001-01-01', night) %}

with

night as (

    select * from {{ night }}

),

{% for name, table in tables.items() -%}
{{ name }}_figures as (

    select
        {%- for column in table.amounts + table.rates + table.counts %}
        count({{ column }}) as {{ column }}_known,
        sum({{ column }}) as {{ column }}_sum,
        min({{ column }}) as {{ column }}_lowest,
        max({{ column }}) as {{ column }}_highest,
        count(case when {{ column }} < 0 then 1 end) as {{ column }}_negative,
        {%- if column not in table.amounts %}
        {#- Whole numbers, so that no figure depends on the order of rows; money squared would not fit. #}
        {%- set whole = 'cast(' ~ column ~ (' * 1000000' if column in table.rates else '') ~ ' as bigint)' %}
        sum({{ whole }} * {{ whole }}) as {{ column }}_squares,
        {%- endif %}
        {%- endfor %}
        {%- for column in table.categories + table.dates + (table.parents.keys() | list) %}
        count({{ column }}) as {{ column }}_known,
        {%- endfor %}
        {%- for column in table.dates %}
        min({{ column }}) as {{ column }}_lowest,
        max({{ column }}) as {{ column }}_highest,
        {%- endfor %}
        {%- if table.day %}
        max({{ table.day }}) as last_day,
        {%- endif %}
        count(*) as row_count
    from {{ input_rows(table, as_of_date) }} as landed

),

{% if table.day and table.days > 1 -%}
{{ name }}_figures_before as (

    select count(*) as row_count
    from {{ input_rows(table, as_of_date, periods=1) }} as landed

),

{% endif -%}
{{ name }}_repeated as (

    select
        count(*) as key_count
    from (
        select 1 as is_repeated
        from {{ input_rows(table, as_of_date) }} as landed
        group by {{ engine_hash((table.key + ['_loaded_at']) | join(', ')) }}
        having count(*) > 1
    ) as repeated_keys

),

{% if table.day -%}
{{ name }}_out_of_time as (

    select
        (select max({{ table.day }}) from {{ table.relation }} where {{ table.day }} > cast({{ known_at() }} as date)) as last_day,
        (select min({{ table.day }}) from {{ table.relation }} where {{ table.day }} < cast('1990-01-01' as date)) as first_day

),

{% endif -%}
{%- endfor -%}

-- One row per column that refers to another table where that lacks something; each of these is looked into once for all that refer to it.
orphans as (
    {%- set children = {} %}
    {%- for name, table in tables.items() %}
    {%- for column, (parent, key) in table.parents.items() %}
    {%- do children.setdefault((parent | string, key), []).append((name, column, table)) %}
    {%- endfor %}
    {%- endfor %}
    {%- for (parent, key), columns in children.items() %}

    select
        references_to.table_name,
        references_to.column_name,
        count(*) as orphan_count
    from (
        {%- for name, column, table in columns %}
        select
            '{{ name }}' as table_name,
            '{{ column }}' as column_name,
            {{ engine_hash(column) }} as key_hash
        from {{ input_rows(table, as_of_date) }} as landed
        where {{ column }} is not null
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as references_to
    where
        references_to.key_hash not in (
            select {{ engine_hash('parents.' ~ key) }} from {{ parent }} as parents where parents.{{ key }} is not null
        )
    group by references_to.table_name, references_to.column_name
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

-- The state of an account on the two nights, as far as it moves from day to day; numbers stand for both, because texts of a
-- whole book would not be joined in passing.
{% for night_name, day in {'states_tonight': as_of_date, 'states_before': snapshot_before}.items() -%}
{{ night_name }} as (

    select
        {{ engine_hash('account_id') }} as account_key,
        max({{ engine_hash('balance, amount_paid, days_past_due, account_status') }}) as state_key
    from {{ ref('stg_loan_servicing_versions') }}
    where snapshot_date = {{ day }} and coalesce(account_status, 'current') not in ('charged_off', 'closed')
    group by {{ engine_hash('account_id') }}

),

{% endfor -%}
changes as (

    select
        count(before.account_key) as accounts_before,
        count(tonight.account_key) as accounts_tonight,
        count(case when tonight.account_key is null then 1 end) as vanished,
        count(case when before.account_key is null then 1 end) as appeared,
        count(case when tonight.state_key = before.state_key then 1 end) as unchanged
    from states_tonight as tonight
    full outer join states_before as before on tonight.account_key = before.account_key

),

-- Accounts that were reported closed tonight have not vanished.
closed_tonight as (

    select count(distinct account_id) as accounts
    from {{ ref('stg_loan_servicing_versions') }}
    where snapshot_date = {{ as_of_date }} and account_status in ('charged_off', 'closed')

),

categories as (
    {% for name, table in tables.items() %}
    {%- for column in table.categories %}

    select
        '{{ name }}' as table_name,
        '{{ column }}' as column_name,
        category,
        row_count / cast(sum(row_count) over () as double) as value,
        row_number() over (order by row_count desc, category) as size_rank
    from (
        select
            cast({{ column }} as varchar) as category,
            count(*) as row_count
        from {{ input_rows(table, as_of_date) }} as landed
        where {{ column }} is not null
        group by cast({{ column }} as varchar)
    ) as counted

    union all
    {%- endfor %}
    {%- endfor %}

    select
        cast(null as varchar) as table_name,
        cast(null as varchar) as column_name,
        cast(null as varchar) as category,
        cast(null as double) as value,
        cast(null as bigint) as size_rank
    from night
    where false

),

figures as (
    {%- for name, table in tables.items() %}
    {%- set source = name ~ '_figures' %}
    {%- set some = source ~ ' where row_count > 0' %}

    {{ input_figure(name, none, 'row_count', 'row_count', source) }}

    union all

    {{ input_figure(name, none, 'repeated_keys', 'key_count', name ~ '_repeated') }}

    union all
    {%- if table.day and table.days > 1 %}

    {{ input_figure(name, none, 'rows_before', 'row_count', name ~ '_figures_before') }}

    union all

    {{ input_figure(
        name, table.day, 'days_behind', days_between('last_day', as_of_date), source ~ ' where last_day is not null'
    ) }}

    union all
    {%- endif %}
    {%- if table.day %}

    {{ input_figure(name, table.day, 'days_ahead', days_between('cast(' ~ known_at() ~ ' as date)', 'last_day'),
        name ~ '_out_of_time where last_day is not null') }}

    union all

    {{ input_figure(name, table.day, 'years_back', rounded('cast(' ~ days_between('first_day', as_of_date) ~ ' as double) / 365.25', 1),
        name ~ '_out_of_time where first_day is not null') }}

    union all
    {%- endif %}
    {%- for column in table.dates %}

    {{ input_figure(name, column, 'days_ahead', days_between('cast(' ~ known_at() ~ ' as date)', column ~ '_highest'),
        source ~ ' where ' ~ column ~ '_highest is not null') }}

    union all

    {{ input_figure(name, column, 'years_back', rounded('cast(' ~ days_between(column ~ '_lowest', as_of_date) ~ ' as double) / 365.25', 1),
        source ~ ' where ' ~ column ~ '_lowest is not null') }}

    union all
    {%- endfor %}
    {%- for column in table.amounts + table.rates + table.counts + table.categories + table.dates + (table.parents.keys() | list) %}

    {{ input_figure(
        name, column, 'null_share', 'round((row_count - ' ~ column ~ '_known) / cast(row_count as double), 9)', some
    ) }}

    union all
    {%- endfor %}
    {%- for column in table.amounts + table.rates + table.counts %}
    {%- set known = source ~ ' where ' ~ column ~ '_known > 0' %}
    {%- for measure, value in {
        'mean': 'round(cast(' ~ column ~ '_sum as double) / ' ~ column ~ '_known, 6)',
        'lowest': column ~ '_lowest',
        'highest': column ~ '_highest',
        'negative_share': 'round(' ~ column ~ '_negative / cast(' ~ column ~ '_known as double), 9)',
    }.items() %}

    {{ input_figure(name, column, measure, value, known) }}

    union all
    {%- endfor %}
    {%- if column not in table.amounts %}

    {{ input_figure(name, column, 'spread',
        'round(sqrt(greatest(cast(' ~ column ~ '_squares as double) / ' ~ ('1e12' if column in table.rates else '1') ~ ' / ' ~ column ~ '_known - power(cast(' ~ column
        ~ '_sum as double) / ' ~ column ~ '_known, 2), 0)), 6)', known) }}

    union all
    {%- endif %}
    {%- endfor %}
    {%- for column in table.parents %}

    {{ input_figure(name, column, 'orphan_share',
        'round(coalesce((select orphans.orphan_count from orphans where orphans.table_name = \'' ~ name
        ~ '\' and orphans.column_name = \'' ~ column ~ '\'), 0) / cast(row_count as double), 9)', some) }}

    union all
    {%- endfor %}
    {%- endfor %}

    {{ input_figure('loan_servicing', none, 'rows_to_usual', 'round(coalesce(row_count, 0) / cast(usual_row_count as double), 6)',
        'night where usual_row_count > 0') }}

    union all

    {{ input_figure(
        'loan_servicing',
        'account_id',
        'vanished_share',
        'round(greatest(changes.vanished - closed_tonight.accounts, 0) / cast(changes.accounts_before as double), 6)',
        'changes cross join closed_tonight where changes.accounts_before > 0'
    ) }}

    union all

    {{ input_figure('loan_servicing', 'account_id', 'appeared_share', 'round(appeared / cast(accounts_before as double), 6)',
        'changes where accounts_before > 0') }}

    union all

    {{ input_figure('loan_servicing', none, 'unchanged_share', 'round(unchanged / cast(accounts_tonight as double), 6)',
        'changes where accounts_before > 0 and accounts_tonight > 0') }}

)

select
    table_name,
    column_name,
    category,
    measure,
    value
from figures

union all

-- A column of many words is no category; its commonest are enough to know it by.
select
    table_name,
    column_name,
    category,
    'share' as measure,
    round(value, 9) as value
from categories
where size_rank <= 100
