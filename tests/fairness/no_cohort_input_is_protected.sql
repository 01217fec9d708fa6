-- Each row is a training input that is made from a protected attribute. path leads from the landed column to it. Take
-- it out of the model (in_model in the feature catalog) or make it from something else.
{{ config(tags=['weekly']) }}

select * from {{ ref('protected_inputs_weekly') }}
