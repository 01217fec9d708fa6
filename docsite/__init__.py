"""The documentation site: dbt's own docs with the model-risk pages beside them, as files that need no server.

Each page is a module of `pages`. Its content is read from the warehouse and the registry when the site is built.
"""
