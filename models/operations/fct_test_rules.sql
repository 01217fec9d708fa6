-- One row per rule that a test of the project checks. It says what is declared, whatever has run: the ranges of inputs
-- come from the catalog, the rest from the YAML.
with

catalog as (

    select * from {{ ref('feature_catalog') }}

),

declared as (

    {{ rules_as_rows() }}

)

select
    declared.relation_name,
    coalesce(catalog.name, nullif(declared.column_name, '')) as column_name,
    case
        when catalog.name is null then declared.rule
        else
            declared.rule || ' ' || catalog.model_name || ': ' || cast(catalog.lowest as varchar)
            || ' to ' || cast(catalog.highest as varchar)
    end as rule,
    nullif(declared.description, '') as description,
    declared.severity,
    declared.test_node,
    declared.cadence
from declared
left join catalog on declared.rule = 'is_possible' and catalog.in_model
