{# Fails for each case whose contributions, base value included, do not add up to its log odds. #}
{% test contributions_add_up(model, scores, tolerance) %}
select
    contributions.application_id,
    max(scores.margin) as margin,
    sum(contributions.contribution) as contributed
from {{ model }} as contributions
inner join {{ scores }} as scores
    on
        contributions.application_id = scores.application_id
        and contributions.as_of_date = scores.as_of_date
group by contributions.application_id
having abs(max(scores.margin) - sum(contributions.contribution)) > {{ tolerance }}
{% endtest %}
