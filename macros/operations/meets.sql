{#
    Condition that a figure stands to a threshold as a rule's comparison says: >=, >, <= or <; null where the figure is.
    Arguments are expressions. NaN is greater than any threshold: who does not want that asks first.
#}
{% macro meets(figure, comparison, threshold) -%}
    case {{ comparison }}
        {%- for operator in ['>=', '>', '<=', '<'] %}
        when '{{ operator }}' then {{ figure }} {{ operator }} {{ threshold }}
        {%- endfor %}
    end
{%- endmacro %}
