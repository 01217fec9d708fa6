"""One module per page, or per kind of page: ORDER, its place among the pages, and pages(reading), which makes them.

A page whose relations are missing or empty says so (`Missing`), and says what would fill it.
"""
