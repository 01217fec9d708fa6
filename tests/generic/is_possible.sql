{#
    Fails for each of some inputs that holds a value tonight that their definition cannot give. Reads the profile, so that no
    test of an input looks at the book.
#}
{% test is_possible(model, model_name, features, low, high) %}
select
    feature,
    lowest,
    highest
from {{ model }}
where
    model_name = {{ text_literal(model_name) }}
    and feature in {{ text_list(features) }}
    and (lowest < {{ low }} or highest > {{ high }})
{% endtest %}
