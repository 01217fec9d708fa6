{#
    Fails for each key with two rows of one load time. It would be a matter of chance which of them is the latest.

    landed_as: the relation's name in int_landings. With it, a long history is read only where rows have landed since
    the last successful run, which tested the rest.
    month_of: its date column, where loads are counted by month.
#}
{% test versions_are_unique(model, grain, landed_as=none, month_of=none) %}
{%- set new_rows = none -%}
{%- if landed_as -%}
    {%- set new_rows -%}
        from {{ ref('int_landings') }} as landings
        inner join {{ ref('int_run') }} as run on landings.run_id = run.run_id
        where landings.new_after is not null and landings.relation_name = {{ text_literal(landed_as) }}
    {%- endset -%}
{%- endif %}
{%- set rows -%}
from {{ model }}
{%- if landed_as %}
inner join (
    select
        landings.load_id,
        landings.month_start,
        landings.new_after
    {{ new_rows }}
) as new_loads
    on
        _load_id = new_loads.load_id
        and _loaded_at > new_loads.new_after
        {%- if month_of %}
        and {{ month_start(month_of) }} = new_loads.month_start
        {%- endif %}
{%- endif %}
where
    _loaded_at <= {{ known_at() }}
    {%- if landed_as %}
    and _loaded_at > {{ value_of('select min(landings.new_after) ' ~ new_rows, 'timestamp', '0001-01-01') }}
    {%- endif %}
{%- endset %}
{%- set key = engine_hash(grain | join(', ') ~ ', _loaded_at') %}
select
    {{ grain | join(', ') }},
    _loaded_at,
    count(*) as row_count
{{ rows }}
    {#- The keys of a long history would not fit into memory. Their hashes do, and leave few keys to check. #}
    and {{ key }} in (
        select {{ key }}
        {{ rows }}
        group by {{ key }}
        having count(*) > 1
    )
group by {{ grain | join(', ') }}, _loaded_at
having count(*) > 1
{% endtest %}
