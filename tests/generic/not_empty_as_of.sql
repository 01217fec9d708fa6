{# Fails with one row when the history has no rows for the last run's as-of date, or when that run has no date. #}
{% test not_empty_as_of(model) %}
select run.as_of_date
from {{ ref('int_run') }} as run
where not exists (select 1 from {{ model }} as history where history.as_of_date = run.as_of_date)
{% endtest %}
