"""The library of Nightbook's dbt models and runner: landing, lineage, training, gate, registry, scoring, audit."""

import os

# Idle OpenMP threads spin. On cores that others use too, that slows a two-thread fit by an order of magnitude. The
# variable is read once, when XGBoost loads OpenMP.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
