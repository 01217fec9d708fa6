-- Each row is a model input that is made from a protected attribute. path leads from the landed column to it. Take it
-- out of the model (in_model in the feature catalog) or make it from something else.
{{ config(tags=['nightly']) }}

select * from {{ ref('protected_inputs') }}
