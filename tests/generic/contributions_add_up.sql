{# Fails for each case whose contributions, base value included, do not add up to its log odds, or that has none. #}
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
