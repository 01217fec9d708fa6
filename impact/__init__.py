"""What a change does to scores before it merges: base against change, on two books.

The books are the committed sample and a synthetic lender. `make impact BASE=origin/main` builds both sides and writes
the report. Nothing of it runs in a night or in a training.
"""
