{# Fails for each score of the last run whose inputs are not kept exactly once. #}
{% test every_score_has_inputs(model) %}
select
    scores.account_id,
    count(inputs.account_id) as input_rows
from {{ ref('fct_account_scores') }} as scores
inner join {{ ref('int_run') }} as run on scores.run_id = run.run_id
left join {{ model }} as inputs
    on
        scores.account_id = inputs.account_id
        and scores.as_of_date = inputs.as_of_date
group by scores.account_id
having count(inputs.account_id) != 1
{% endtest %}
