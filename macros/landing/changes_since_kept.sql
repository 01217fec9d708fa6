{#
    CTEs that tell what has landed since the run that last touched a kept relation, this one: kept (which runs computed
    it, by which definition), changes (one row per relation, month and load that has another number of rows; of it, what
    was loaded after loaded_after is new) and history (one row: is_void when what is kept must be computed again from
    nothing). What was kept by another definition is another measure; a run with an older cutoff sees less than what is
    kept was made of.

    Needs CTEs landings (int_landings) and landed (its rows of this run). sources: what the kept relation rests on, name
    in int_landings -> (its versions, expression of their month). void_if: a further condition, in terms of landed and
    landed_before.
#}
{% macro changes_since_kept(sources, definition, void_if='false') -%}
kept as (

    select distinct
        definition,
        kept_by
    from {{ this }}

),

landed_before as (

    select *
    from landings
    where
        run_id in (
            select arg_max(landings.run_id, landings.started_at)
            from landings
            inner join kept on landings.run_id = kept.kept_by
        )

),

landed_since as (
    {% for relation_name, (versions, month) in sources.items() %}
    select
        '{{ relation_name }}' as relation_name,
        {{ month }} as month_start,
        _load_id as load_id,
        count(*) as row_count
    from {{ versions }}
    where _loaded_at > (select max(known_at) from landed_before)
    group by {{ month }}, _load_id
    {{ 'union all' if not loop.last }}
    {% endfor %}
),

compared as (

    select
        coalesce(landed.relation_name, landed_before.relation_name) as relation_name,
        coalesce(landed.month_start, landed_before.month_start) as month_start,
        coalesce(landed.load_id, landed_before.load_id) as load_id,
        coalesce(landed.row_count, 0) - coalesce(landed_before.row_count, 0) as rows_more,
        landed_before.known_at
    from landed
    full outer join landed_before
        on
            landed.relation_name = landed_before.relation_name
            and landed.month_start is not distinct from landed_before.month_start
            and landed.load_id = landed_before.load_id
    where
        landed.row_count is distinct from landed_before.row_count
        and coalesce(landed.relation_name, landed_before.relation_name) in ('{{ sources | join("', '") }}')

),

-- A load that was stamped earlier than it could be seen, or is new altogether, is new from its first row on.
changes as (

    select
        compared.relation_name,
        compared.month_start,
        compared.load_id,
        compared.rows_more,
        case
            when compared.rows_more = landed_since.row_count then compared.known_at else cast('0001-01-01' as timestamp)
        end as loaded_after
    from compared
    left join landed_since
        on
            compared.relation_name = landed_since.relation_name
            and compared.month_start is not distinct from landed_since.month_start
            and compared.load_id = landed_since.load_id

),

history as (

    select
        (select count(*) from landed_before) = 0
        or exists (select 1 from kept where definition != '{{ definition }}')
        or (select coalesce(min(rows_more), 0) from changes) < 0
        or {{ void_if }} as is_void

)
{%- endmacro %}
