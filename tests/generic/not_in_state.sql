{# Fails for each row of the last as-of date whose status, or another state column, has the given value. #}
{% test not_in_state(model, column_name, state) %}
select *
from {{ model }}
where
    as_of_date in (select as_of_date from {{ ref('int_run') }})
    and {{ column_name }} = {{ text_literal(state) }}
{% endtest %}
