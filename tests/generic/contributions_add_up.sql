{#
    Fails for each case without contributions, or whose contributions (base value included) do not sum to its log odds.
#}
{% test contributions_add_up(model, scores, tolerance) %}
select
    scores.application_id,
    max(scores.margin) as margin,
    sum(contributions.contribution) as contributed
from {{ scores }} as scores
left join {{ model }} as contributions
    on
        scores.application_id = contributions.application_id
        and scores.as_of_date = contributions.as_of_date
group by scores.application_id
having
    sum(contributions.contribution) is null
    or abs(max(scores.margin) - sum(contributions.contribution)) > {{ tolerance }}
{% endtest %}
