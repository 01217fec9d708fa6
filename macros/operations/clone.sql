{#
    Overrides dbt's materialization. `dbt clone` runs no hook, so nothing would refuse or record the replaced histories.
#}
{% materialization clone, default %}
    {{ exceptions.raise_compiler_error(
        '`dbt clone` would replace ' ~ this ~ ' with another state. Build it instead: dbt build --select tag:nightly'
    ) }}
{% endmaterialization %}
