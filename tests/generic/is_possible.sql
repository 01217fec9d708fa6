{#
    Fails for each input that has a value tonight outside the range that its definition can give. It reads the profile,
    so that no test of an input reads the book.
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
