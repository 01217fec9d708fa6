"""The documentation site: dbt's own docs and the model-risk pack beside them, as files that need no server.

A page is a module of `pages`; what it shows comes from the warehouse and the registry when the site is built.
"""
