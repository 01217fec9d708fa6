"""The effect of a change on scores before it merges: base against change, on two books.

The books are the committed sample and a synthetic lender. `make impact BASE=origin/main` builds both sides and writes
the report. Neither a night nor a training runs any of this.
"""
