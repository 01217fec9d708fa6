-- One row per landing table, column and measure: tonight's figures, and how far they are from the champion's
-- training.
{%- set application_models = text_list(scoring_models('application') | map(attribute='model_name')) %}

with

night as (

    select * from {{ ref('int_night') }}

),

profile as (

    select * from {{ ref('int_input_profile') }}

),

-- Applications are compared with what a model of applications saw in training, all other tables with what a model of
-- accounts saw. If there is no such model with a baseline, another model's is used.
reference as (

    select *
    from {{ ref('champion_inputs') }}
    qualify
        dense_rank() over (
            partition by table_name
            order by case when (table_name = 'applications') = (model_name in {{ application_models }}) then 0 else 1 end, model_name
        ) = 1

),

row_counts as (

    select
        table_name,
        value as row_count
    from profile
    where measure = 'row_count'

),

compared as (

    select
        profile.table_name,
        profile.column_name,
        profile.category,
        profile.measure,
        profile.value,
        reference.value as reference_value,
        row_counts.row_count
    from profile
    inner join row_counts on profile.table_name = row_counts.table_name
    left join reference
        on
            profile.table_name = reference.table_name
            and profile.column_name is not distinct from reference.column_name
            and profile.category is not distinct from reference.category
            and profile.measure = reference.measure

),

-- Columns whose categories the champion's training recorded.
known_columns as (

    select distinct
        table_name,
        column_name
    from reference
    where measure = 'share'

),

spreads as (

    select
        table_name,
        column_name,
        value as spread
    from reference
    where measure = 'spread' and value > 0

),

-- Both sides, because new categories and vanished ones both add to the distance.
shares as (

    select
        table_name,
        column_name,
        category,
        sum(value) as value,
        sum(reference_value) as reference_value
    from (
        select
            table_name,
            column_name,
            category,
            value,
            0 as reference_value
        from profile
        where measure = 'share'

        union all

        select
            table_name,
            column_name,
            category,
            0 as value,
            value as reference_value
        from reference
        where measure = 'share'
    ) as both_sides
    group by table_name, column_name, category

),

relative_measures as (

    -- Three standard errors are subtracted, so that a rise by chance does not count.
    select
        table_name,
        column_name,
        measure || '_rise' as measure,
        value - reference_value - 3 * sqrt({{ quotient('reference_value * (1 - reference_value)', 'row_count') }}) as value,
        cast(null as varchar) as example
    from compared
    where measure in ('null_share', 'negative_share') and reference_value is not null and row_count >= 100

    union all

    select
        table_name,
        column_name,
        'mean_factor' as measure,
        case
            when value * reference_value > 0
                then {{ greatest_of([quotient('value', 'reference_value'), quotient('reference_value', 'value')]) }}
            else 1000000
        end as value,
        cast(null as varchar) as example
    from compared
    where measure = 'mean' and reference_value != 0 and row_count >= 100

    union all

    select
        compared.table_name,
        compared.column_name,
        'mean_shift' as measure,
        {{ quotient('abs(compared.value - compared.reference_value)', 'spreads.spread') }} as value,
        cast(null as varchar) as example
    from compared
    inner join spreads
        on compared.table_name = spreads.table_name and compared.column_name = spreads.column_name
    where compared.measure = 'mean' and compared.reference_value is not null and compared.row_count >= 100

    union all

    select
        table_name,
        column_name,
        'is_silent' as measure,
        case when value = 0 then 1 else 0 end as value,
        cast(null as varchar) as example
    from compared
    where measure = 'row_count' and reference_value >= 100

    union all

    select
        table_name,
        column_name,
        'days_further_behind' as measure,
        value - reference_value as value,
        cast(null as varchar) as example
    from compared
    where measure = 'days_behind' and reference_value is not null

    union all

    select
        compared.table_name,
        compared.column_name,
        'unseen_share' as measure,
        sum(case when compared.reference_value is null then compared.value else 0 end) as value,
        min(case when compared.reference_value is null then compared.category end) as example
    from compared
    inner join known_columns
        on compared.table_name = known_columns.table_name and compared.column_name = known_columns.column_name
    where compared.measure = 'share'
    group by compared.table_name, compared.column_name

    union all

    select
        shares.table_name,
        shares.column_name,
        'category_distance' as measure,
        {{ quotient('sum(abs(shares.value - shares.reference_value))', '2') }} as value,
        cast(null as varchar) as example
    from shares
    inner join known_columns
        on shares.table_name = known_columns.table_name and shares.column_name = known_columns.column_name
    inner join row_counts on shares.table_name = row_counts.table_name
    where row_counts.row_count >= 200
    group by shares.table_name, shares.column_name
    having sum(shares.value) > 0

),

own_measures as (

    select
        table_name,
        column_name,
        measure,
        value,
        cast(null as varchar) as example
    from profile
    where measure != 'share'

    union all

    -- Text that was read in another encoding than it was written in.
    select
        table_name,
        column_name,
        'garbled_share' as measure,
        sum(
            case
                when
                    category like '%' || chr(65533) || '%'
                    or category like '%' || chr(195) || '%'
                    or category like '%' || chr(226) || chr(8364) || '%'
                    then value
                else 0
            end
        ) as value,
        cast(null as varchar) as example
    from profile
    where measure = 'share'
    group by table_name, column_name

    union all

    select
        before.table_name,
        cast(null as varchar) as column_name,
        'rows_to_before' as measure,
        {{ quotient('row_counts.row_count', 'before.value') }} as value,
        cast(null as varchar) as example
    from profile as before
    inner join row_counts on before.table_name = row_counts.table_name
    where before.measure = 'rows_before' and before.value >= 100

    union all

    select
        'loan_servicing' as table_name,
        'snapshot_date' as column_name,
        'days_old' as measure,
        {{ days_between('as_of_date', 'cast(known_at as date)') }} as value,
        cast(null as varchar) as example
    from night
    where as_of_date is not null and not is_date_given

    union all

    select
        'loan_servicing' as table_name,
        'snapshot_date' as column_name,
        'month_end_gap' as measure,
        month_end_gap as value,
        cast(null as varchar) as example
    from night
    where month_end_gap is not null

),

measures as (

    select * from own_measures

    union all

    select * from relative_measures

),

versions as (

    select
        table_name,
        max(model_name || ' version ' || model_version) as version_name
    from reference
    group by table_name

)

select
    measures.table_name,
    measures.column_name,
    measures.measure,
    {{ rounded('measures.value', 6) }} as value,
    measures.example,
    versions.version_name
from measures
left join versions on measures.table_name = versions.table_name
