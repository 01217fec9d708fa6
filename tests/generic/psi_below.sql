{#
    Fails for each feature, or other subject, whose PSI on the last as-of date is not below max_psi.
    unless: a condition for rows that somebody has overridden.
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
