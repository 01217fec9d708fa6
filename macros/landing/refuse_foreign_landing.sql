{#
    Runs before a sample seed. Refuses where the landing table holds rows of another load, which seeding would replace.
    sample_load_id: the load of the committed sample.
#}
{% macro refuse_foreign_landing(sample_load_id) %}
    {%- if execute -%}
        {%- set relation = adapter.get_relation(this.database, this.schema, this.identifier) -%}
        {%- set found = run_query(
            "select count(*) from " ~ relation ~ " where _load_id is distinct from " ~ text_literal(sample_load_id)
        ) if relation else none -%}
        {%- if found and found.rows[0][0] > 0 -%}
            {{ exceptions.raise_compiler_error(
                relation ~ " holds " ~ found.rows[0][0] ~ " rows that are not the sample's: seeding would replace them."
                ~ " Use another NIGHTBOOK_HOME, or do not run the selector ci_landing.") }}
        {%- endif -%}
    {%- endif -%}
{% endmacro %}
