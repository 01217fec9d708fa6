{# Fails for each rule of severity warn that the input of the last run does not meet. #}
{% test nothing_to_warn_of(model) %}
select
    message,
    rule
from {{ model }}
where
    checked_at = (select max(checks.checked_at) from {{ model }} as checks)
    and status = 'warn'
{% endtest %}
