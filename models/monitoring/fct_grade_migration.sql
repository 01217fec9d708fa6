-- One row per model, as-of date, grade at the last month-end and grade now: how many accounts made that move. The
-- sums over one grade give the distribution of the other.
{%- set run = ref('int_run') %}
{%- set as_of_date = value_of('select as_of_date from ' ~ run, 'date', '1970-01-01', run) %}
{%- set month_end = value_of(
    'select max(as_of_date) from (' ~ scored_nights() ~ ') as scored_nights where as_of_date < (select '
    ~ month_start('as_of_date') ~ ' from ' ~ run ~ ')',
    'date', '0001-01-01', run
) %}

with

run as (

    select * from {{ run }}

),

tonight as (

    {%- for model in scoring_models('account') %}

        select
            account_id,
            risk_grade,
            model_name
        from {{ ref(model.scores) }}
        where as_of_date = {{ as_of_date }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

before as (

    {%- for model in scoring_models('account') %}

        select
            account_id,
            risk_grade,
            model_name
        from {{ ref(model.scores) }}
        where as_of_date = {{ month_end }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

),

moves as (

    select
        coalesce(tonight.model_name, before.model_name) as model_name,
        case when before.account_id is null then 'new' else coalesce(before.risk_grade, 'none') end as grade_before,
        case when tonight.account_id is null then 'gone' else coalesce(tonight.risk_grade, 'none') end as grade,
        count(*) as accounts
    from tonight
    full outer join before on tonight.account_id = before.account_id and tonight.model_name = before.model_name
    group by 1, 2, 3

)

select
    moves.model_name,
    run.as_of_date,
    moves.grade_before,
    moves.grade,
    nullif({{ month_end }}, cast('0001-01-01' as date)) as month_end,
    cast(moves.accounts as bigint) as accounts,
    {{ rounded(
        'moves.accounts / cast(sum(moves.accounts) over (partition by moves.model_name, moves.grade_before) as double)', 9
    ) }} as value,
    run.run_id
from moves
cross join run
