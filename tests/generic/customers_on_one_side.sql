{# Fails for each customer with cases in more than one split. The model would be judged on customers it learned from. #}
{% test customers_on_one_side(model) %}
select
    customer_id,
    count(distinct split) as splits
from {{ model }}
group by customer_id
having count(distinct split) > 1
{% endtest %}
