"""Replace macros of the project in one process: for faults, and for builds of a part, which no user can do."""

ANY_PART = {"refuse_partial_run": "{% macro refuse_partial_run() %}{% endmacro %}"}


def plant(macros: dict[str, str]) -> None:
    """From now on dbt runs these macros in this process, name -> Jinja, whatever it has read."""
    from dbt_common.clients.jinja import TemplateCache

    found = TemplateCache.get_node_template

    def planted(cache, node):
        node.macro_sql = macros.get(node.name, node.macro_sql)
        return found(cache, node)

    TemplateCache.get_node_template = planted
