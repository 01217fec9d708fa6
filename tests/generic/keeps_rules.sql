{# Fails for each rule of the relation that a row breaks: those of its columns (`meta: {rules: ...}`) and its key. #}
{% test keeps_rules(model, unique=[]) %}
{{ broken_rules(model, tested_rules() if execute else [], unique) }}
{% endtest %}
