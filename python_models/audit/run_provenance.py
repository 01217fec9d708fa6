"""Record the code, the libraries and the engine of this run.

Python because git, the lock file and the library are files, not relations.
"""

from nightbook import provenance
from nightbook.engine import frames


def model(dbt, session):
    dbt.config(materialized="table")
    return frames.records(session, provenance.SCHEMA, [provenance.record(frames.engine(session))])
