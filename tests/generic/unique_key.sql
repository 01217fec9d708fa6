{# Fails for each key that occurs more than once: the relation does not have the grain it claims. #}
{% test unique_key(model, key) %}
select
    {{ key | join(', ') }},
    count(*) as row_count
from {{ model }}
group by {{ key | join(', ') }}
having count(*) > 1
{% endtest %}
