{#
    Fails with one row when an input holds a value tonight that its definition cannot give. Reads the profile, so that a
    test per input costs no look at the book.
#}
{% test is_possible(model, model_name, feature, low, high) %}
select
    lowest,
    highest
from {{ model }}
where
    model_name = '{{ model_name }}'
    and feature = '{{ feature }}'
    and (lowest < {{ low }} or highest > {{ high }})
{% endtest %}
