-- One row per run, rule, landing table and column: what the rule expects, what was found, and the status. The model
-- int_run raises an error while a row of the run says stop, so that nothing is built on bad input.
with

night as (

    select * from {{ ref('int_night') }}

),

measures as (

    select * from {{ ref('int_input_measures') }}

),

rules as (

    select * from {{ ref('input_rules') }}

),

-- The most specific row of a rule applies: one for the column, else one for the table, else the one for all.
judged as (

    select
        rules.rule,
        measures.table_name,
        measures.column_name,
        measures.measure,
        measures.value as found,
        measures.example,
        measures.version_name,
        rules.comparison,
        rules.threshold,
        rules.severity,
        rules.description,
        {{ meets('measures.value', 'rules.comparison', 'rules.threshold') }} as is_met
    from measures
    inner join rules
        on
            measures.measure = rules.measure
            and measures.table_name = coalesce(rules.table_name, measures.table_name)
            and coalesce(measures.column_name, '') = coalesce(rules.column_name, measures.column_name, '')
    qualify
        row_number() over (
            partition by rules.rule, measures.table_name, measures.column_name
            order by
                case when rules.column_name is null then 1 else 0 end,
                case when rules.table_name is null then 1 else 0 end
        ) = 1

),

named as (

    select
        *,
        table_name || case when column_name is null then '' else '.' || column_name end as subject,
        case
            when is_met then 'ok'
            when severity = 'warn' then 'warn'
            when {{ is_overridden('rule', 'table_name', 'column_name') }} then 'overridden'
            else 'stop'
        end as status
    from judged
    where severity != 'off'

)

select
    night.run_id,
    night.as_of_date,
    night.started_at as checked_at,
    named.table_name,
    named.column_name,
    named.rule,
    named.measure,
    named.found,
    named.comparison,
    named.threshold,
    named.severity,
    named.status,
    case
        when named.is_met then null
        else
            named.subject || ': ' || replace(named.measure, '_', ' ') || ' is ' || {{ number_text('named.found') }}
            || coalesce(' (''' || named.example || ''')', '') || ', expected '
            || case named.comparison when '<=' then 'at most ' else 'at least ' end || {{ number_text('named.threshold') }}
            || case when named.description like '%champion%' then coalesce(' (' || named.version_name || ')', '') else '' end
            || '. ' || named.description
    end as message,
    named.version_name,
    case when named.status = 'overridden' then night.actor end as overridden_by,
    case when named.status = 'overridden' then night.override_reason end as override_reason
from named
cross join night
