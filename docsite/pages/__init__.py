"""One module per page, or per kind of page: ORDER among the others, and pages(reading), which makes them.

A page whose relations are not there, or are empty, says so (`Missing`) and what would fill it.
"""
