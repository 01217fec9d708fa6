{# Fails with one row when the history has nothing for the as-of date of the last run, or the run has no such date. #}
{% test not_empty_as_of(model) %}
select run.as_of_date
from {{ ref('int_run') }} as run
where not exists (select 1 from {{ model }} as history where history.as_of_date = run.as_of_date)
{% endtest %}
