{# Fails with one row when the history has nothing for the as-of date of the last run. #}
{% test not_empty_as_of(model) %}
select as_of_date
from {{ ref('int_run') }}
where as_of_date not in (select as_of_date from {{ model }})
{% endtest %}
