{#
    Fails for each feature, or other subject, that has moved further from its reference than max_psi on the last as-of date.
    unless: a condition on what somebody answers for.
#}
{% test psi_below(model, max_psi=0.25, psi='value', subject='feature', min_cases=200, unless='false') %}
select distinct
    model_name,
    {{ subject }} as subject,
    {{ psi }} as psi
from {{ model }}
where
    as_of_date in (select as_of_date from {{ ref('int_run') }})
    and case_count >= {{ min_cases }}
    and {{ psi }} >= {{ max_psi }}
    and not {{ unless }}
{% endtest %}
