{#
    Inputs that no score refers to any more, once tonight's scores stand: those of earlier runs for the same date, and
    those of runs that failed before they had scored.
#}
{% macro drop_superseded_inputs() -%}
delete from {{ ref('account_inputs') }}
where
    (
        as_of_date in (select as_of_date from {{ ref('int_run') }})
        and run_id not in (select run_id from {{ ref('int_run') }})
    )
    or run_id in (
        select failed.run_id
        from {{ source('audit', 'run_log') }} as failed
        where
            failed.outcome = 'failed'
            and not exists (
                select 1 from {{ ref('fct_account_scores') }} as scores where scores.run_id = failed.run_id
            )
    )
{%- endmacro %}
