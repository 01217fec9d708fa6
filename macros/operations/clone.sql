{#
    Overrides dbt's materialization. `dbt clone` runs no hook, so nothing would refuse or record the replaced histories.
#}
{% materialization clone, default %}
    {{ exceptions.raise_compiler_error(
        '`dbt clone` would put another state in the place of ' ~ this ~ '. Build it: dbt build --select tag:nightly'
    ) }}
{% endmaterialization %}
