-- One row per alternative and group of an attribute: cases approved by the alternative, by the selected candidate,
-- and by both.
{{ config(tags=['weekly'], materialized='table') }}

with

scores as (

    select * from {{ ref('alternative_scores') }}

),

groups as (

    select * from {{ ref('int_holdout_groups') }}

),

attributes as (

    select * from {{ ref('protected_attributes') }}

),

counts as (

    select
        scores.model_name,
        scores.role,
        groups.attribute,
        groups.group_name,
        count(*) as case_count,
        count(case when scores.is_approved then 1 end) as approved_count,
        count(case when scores.is_approved_by_selected then 1 end) as selected_count,
        count(case when scores.is_approved and scores.is_approved_by_selected then 1 end) as both_count
    from scores
    inner join groups
        on
            scores.model_name = groups.model_name
            and scores.entity_id = groups.entity_id
            and scores.as_of_date = groups.as_of_date
    group by scores.model_name, scores.role, groups.attribute, groups.group_name

)

select
    counts.model_name,
    counts.role,
    counts.attribute,
    counts.group_name,
    counts.case_count >= attributes.min_cases and counts.group_name != 'unknown' as is_large_enough,
    counts.case_count,
    counts.approved_count,
    counts.selected_count,
    counts.both_count
from counts
inner join attributes on counts.attribute = attributes.attribute
