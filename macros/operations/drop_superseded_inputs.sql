{#
    Deletes inputs that no score refers to any more, once tonight's scores are written. These are inputs of earlier runs
    for the same date, and inputs of runs that failed or were killed before they scored.
#}
{% macro drop_superseded_inputs() -%}
{%- set unsuccessful_runs -%}
    select distinct run_id
    from {{ ref('account_inputs') }}
    where
        run_id not in (select run_id from {{ ref('int_run') }})
        and run_id not in (select runs.run_id from {{ source('audit', 'run_log') }} as runs where runs.outcome = 'succeeded')
{%- endset -%}
{#- Mostly there are none, and then the scores of all nights need not be read. -#}
{%- set runs = run_query(unsuccessful_runs).columns[0].values() if execute else [] -%}
delete from {{ ref('account_inputs') }}
where
    (
        as_of_date in (select as_of_date from {{ ref('int_run') }})
        and run_id not in (select run_id from {{ ref('int_run') }})
    )
    {%- if runs %}
    or run_id in (
        select inputs.run_id
        from (select distinct run_id from {{ ref('account_inputs') }}) as inputs
        where
            inputs.run_id in {{ text_list(runs) }}
            {%- for model in scoring_models() if model.inputs == 'account_inputs' %}
            and not exists (select 1 from {{ ref(model.scores) }} as scores where scores.run_id = inputs.run_id)
            {%- endfor %}
    )
    {%- endif %}
{%- endmacro %}
