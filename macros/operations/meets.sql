{#
    Condition that a figure meets a threshold by a rule's comparison: >=, >, <= or <. It is null where the figure is
    null. Arguments are expressions. NaN is greater than any threshold, so the caller must exclude it where that is
    wrong.
#}
{% macro meets(figure, comparison, threshold) -%}
    case {{ comparison }}
        {%- for operator in ['>=', '>', '<=', '<'] %}
        when '{{ operator }}' then {{ figure }} {{ operator }} {{ threshold }}
        {%- endfor %}
    end
{%- endmacro %}
