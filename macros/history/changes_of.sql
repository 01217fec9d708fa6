{#
    What int_history_changes says of a kept relation, or int_window_changes of windows. The rows are read when the model
    runs. Its SQL then names loads, months and runs as literals, so that the engine reads no others. A dictionary:
      is_whole     whether the whole relation is computed again
      kept_months  first days of the months that it holds, as texts
      new_months   first days of the closed months that it lacks
      loads        landing table -> loads that it has not seen, each a dictionary of load_id, month and after
      runs         runs that computed months again after the windows were computed
      month        first day of the month that the windows end with; 1970-01-01 where nothing has landed
#}
{% macro changes_of(kept) -%}
    {%- set found = {'is_whole': true, 'kept_months': [], 'new_months': [], 'loads': {}, 'runs': [], 'month': '1970-01-01'} -%}
    {%- set is_of_windows = kept == 'int_closed_windows' -%}
    {%- set changes_relation = ref('int_window_changes') if is_of_windows else ref('int_history_changes') -%}
    {%- if not execute or not load_relation(changes_relation) -%}{{ return(found) }}{%- endif -%}
    {%- set changes %}
        select
            change,
            {{ date_text('month_start') }} as month_start,
            {% if is_of_windows -%}
            run_id
            {%- else -%}
            relation_name,
            load_id,
            {{ microseconds_text('loaded_after') }} as loaded_after
            {%- endif %}
        from {{ changes_relation }}
        {{ "where kept_relation = '" ~ kept ~ "'" if not is_of_windows }}
        order by 1, 2, 3
    {%- endset -%}
    {%- do found.update({'is_whole': false}) -%}
    {%- for row in rows_of(changes) -%}
        {%- if row.change == 'whole' -%}{%- do found.update({'is_whole': true}) -%}
        {%- elif row.change == 'month' -%}{%- do found.update({'month': row.month_start or found.month}) -%}
        {%- elif row.change == 'run' -%}{%- do found.runs.append(row.run_id) -%}
        {%- elif row.change == 'kept_month' -%}{%- do found.kept_months.append(row.month_start) -%}
        {%- elif row.change == 'new_month' -%}{%- do found.new_months.append(row.month_start) -%}
        {%- else -%}
            {%- do found.loads.setdefault(row.relation_name, []).append(
                {'load_id': row.load_id, 'month': row.month_start, 'after': row.loaded_after}
            ) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#
    Condition that a version in a landing table is among the changes.
    loads: as changes_of gives them.
    month: expression for the row's month, where loads are counted by month. The earliest time is a condition of its
    own, so that the engine skips older rows without checking the others.
#}
{% macro is_among(loads, month=none) -%}
    {%- set conditions = [] -%}
    {%- for load_id, of_load in loads | groupby('load_id') -%}
        {%- for after, changes in of_load | groupby('after') -%}
            {%- set months = changes | map(attribute='month') | list -%}
            {%- do conditions.append(
                "(_load_id = " ~ text_literal(load_id) ~ " and _loaded_at > cast(" ~ text_literal(after) ~ " as timestamp)"
                ~ (" and " ~ month ~ " in " ~ date_list(months) if month else "") ~ ")"
            ) -%}
        {%- endfor -%}
    {%- endfor -%}
    {%- if loads -%}
    (
        _loaded_at > cast({{ text_literal(loads | map(attribute='after') | min) }} as timestamp)
        and ({{ conditions | join('\n            or ') }})
    )
    {%- else -%} false {%- endif -%}
{%- endmacro %}

{# A list of dates for `in`, as literals made from texts. #}
{% macro date_list(dates) -%}
    {%- set written = [] -%}
    {%- for date in dates -%}{%- do written.append('cast(' ~ text_literal(date) ~ ' as date)') -%}{%- endfor -%}
    ({{ written | join(', ') if written else 'cast(null as date)' }})
{%- endmacro %}
