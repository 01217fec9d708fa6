{% macro ensure_run_log() %}{% endmacro %}
{% macro record_run(results) %}{% endmacro %}
