-- One row per landing table, column, category and measure: what tonight's rows look like. Every input check reads it,
-- and a training stores it with the version that it makes.
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
        {#- Whole numbers, so that no sum depends on the order of rows. Squares of amounts would not fit. #}
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
{% if table.day -%}
{{ name }}_implausible_dates as (

    select
        (select max({{ table.day }}) from {{ table.relation }} where {{ table.day }} > cast({{ known_at() }} as date)) as last_day,
        (select min({{ table.day }}) from {{ table.relation }} where {{ table.day }} < cast('1990-01-01' as date)) as first_day

),

{% endif -%}
{%- endfor -%}

{# Columns that refer to another table are numbered, because a text in every row would make the lookup expensive. -#}
{% set children, child_of = {}, {} -%}
{%- for name, table in tables.items() -%}
{%- for column, (parent, key) in table.parents.items() -%}
{%- do child_of.update({(name, column): child_of | length}) -%}
{%- do children.setdefault((parent | string, key), []).append((child_of[(name, column)], column, table)) -%}
{%- endfor -%}
{%- endfor -%}
-- One row per column that refers to another table and has orphans. Each parent is read once for all columns that
-- refer to it.
orphans as (
    {%- for (parent, key), columns in children.items() %}

    select
        child,
        count(*) as orphan_count
    from (
        {%- for child, column, table in columns %}
        select
            {{ child }} as child,
            {{ engine_hash(column) }} as key_hash
        from {{ input_rows(table, as_of_date) }} as landed
        where {{ column }} is not null
        {{ 'union all' if not loop.last }}
        {%- endfor %}
    ) as references_to
    where key_hash not in (select {{ engine_hash(key) }} from {{ parent }} where {{ key }} is not null)
    group by child
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

{% set servicing = tables.loan_servicing -%}
{%- set is_tonight, is_before = 'snapshot_date = ' ~ as_of_date, 'snapshot_date = ' ~ snapshot_before -%}
{%- set is_closed = "coalesce(account_status, 'current') in ('charged_off', 'closed')" -%}
{%- set state = engine_hash('balance, amount_paid, days_past_due, account_status') -%}
-- One row per account of the two nights: a hash of its state on each night, if it was open. The state is what changes
-- from day to day. Accounts and states are hashes, because texts of a whole book would be expensive to group.
account_states as (

    select
        {{ engine_hash('account_id') }} as account_key,
        max(case when {{ is_before }} and not {{ is_closed }} then {{ state }} end) as state_before,
        max(case when {{ is_tonight }} and not {{ is_closed }} then {{ state }} end) as state_tonight,
        max(case when {{ is_tonight }} and {{ is_closed }} then 1 else 0 end) as is_closed_tonight,
        count(case when {{ is_tonight }} then 1 end) as rows_tonight
    from {{ servicing.relation }}
    where {{ is_tonight }} or {{ is_before }}
    group by {{ engine_hash('account_id') }}

),

changes as (

    select
        count(state_before) as accounts_before,
        count(state_tonight) as accounts_tonight,
        -- Accounts that were reported closed tonight have not vanished.
        count(case when state_before is not null and state_tonight is null then 1 end) - sum(is_closed_tonight) as vanished,
        count(case when state_before is null and state_tonight is not null then 1 end) as appeared,
        count(case when state_tonight = state_before then 1 end) as unchanged
    from account_states

),

-- One row: how many accounts have several rows of one load time in tonight's snapshot. The test versions_are_unique
-- finds them too, but for loan_servicing only after int_run.
repeated as (

    select count(*) as key_count
    from (
        select 1 as is_repeated
        from {{ input_rows(servicing, as_of_date) }} as landed
        where {{ engine_hash('account_id') }} in (select account_key from account_states where rows_tonight > 1)
        group by account_id, _loaded_at
        having count(*) > 1
    ) as repeated_keys

),

-- One row per category column and category. Each row is grouped by one column alone, so the column that has a value
-- is that one.
categories as (
    {% for name, table in tables.items() if table.categories %}

    select
        '{{ name }}' as table_name,
        column_name,
        category,
        row_count / cast(sum(row_count) over (partition by column_name) as double) as value,
        row_number() over (partition by column_name order by row_count desc, category) as size_rank
    from (
        select
            case
                {%- for column in table.categories %}
                when {{ column }} is not null then '{{ column }}'
                {%- endfor %}
            end as column_name,
            coalesce(
                {%- for column in table.categories %}
                cast({{ column }} as varchar){{ ',' if not loop.last }}
                {%- endfor %}{{ ', null' if table.categories | length == 1 }}
            ) as category,
            count(*) as row_count
        from {{ input_rows(table, as_of_date) }} as landed
        group by grouping sets (({{ table.categories | join('), (') }}))
    ) as counted
    where category is not null
    {{ 'union all' if not loop.last }}
    {%- endfor %}

),

figures as (
    {%- for name, table in tables.items() %}
    {%- set source = name ~ '_figures' %}
    {%- set non_empty = source ~ ' where row_count > 0' %}

    {{ input_figure(name, none, 'row_count', 'row_count', source) }}

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
        name ~ '_implausible_dates where last_day is not null') }}

    union all

    {{ input_figure(name, table.day, 'years_back', rounded('cast(' ~ days_between('first_day', as_of_date) ~ ' as double) / 365.25', 1),
        name ~ '_implausible_dates where first_day is not null') }}

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
        name, column, 'null_share', 'round((row_count - ' ~ column ~ '_known) / cast(row_count as double), 9)', non_empty
    ) }}

    union all
    {%- endfor %}
    {%- for column in table.amounts + table.rates + table.counts %}
    {%- set known = source ~ ' where ' ~ column ~ '_known > 0' %}
    {#- The mean of what was paid by mid-month cannot be compared with that of a whole month. #}
    {%- set whole = known ~ (' and (select night.month_lag from night) = 0' if column in table.flows else '') %}
    {%- for measure, value in {
        'mean': 'round(cast(' ~ column ~ '_sum as double) / ' ~ column ~ '_known, 6)',
        'lowest': column ~ '_lowest',
        'highest': column ~ '_highest',
        'negative_share': 'round(' ~ column ~ '_negative / cast(' ~ column ~ '_known as double), 9)',
    }.items() %}

    {{ input_figure(name, column, measure, value, whole if measure == 'mean' else known) }}

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
        'round(coalesce((select orphan_count from orphans where child = ' ~ child_of[(name, column)]
        ~ '), 0) / cast(row_count as double), 9)', non_empty) }}

    union all
    {%- endfor %}
    {%- endfor %}

    {{ input_figure('loan_servicing', none, 'repeated_keys', 'key_count', 'repeated') }}

    union all

    {{ input_figure('loan_servicing', none, 'rows_to_usual', 'round(coalesce(row_count, 0) / cast(usual_row_count as double), 6)',
        'night where usual_row_count > 0') }}

    union all

    {{ input_figure('loan_servicing', 'account_id', 'vanished_share',
        'round(greatest(vanished, 0) / cast(accounts_before as double), 6)', 'changes where accounts_before > 0') }}

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

-- The 100 most frequent values are enough to describe a column.
select
    table_name,
    column_name,
    category,
    'share' as measure,
    round(value, 9) as value
from categories
where size_rank <= 100
