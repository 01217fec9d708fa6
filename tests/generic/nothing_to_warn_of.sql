{# Fails for each rule of severity warn that this run's input does not meet. #}
{% test nothing_to_warn_of(model) %}
select
    message,
    rule
from {{ model }}
where run_id = '{{ invocation_id }}' and status = 'warn'
{% endtest %}
