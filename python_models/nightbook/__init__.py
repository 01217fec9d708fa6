"""What Nightbook's dbt models and runner import: landing, features' statistics, training, gate, registry, scoring."""

import os

# An idle OpenMP thread that spins slows a two-thread fit by an order of magnitude on cores that others use too. Read
# once, when XGBoost loads its runtime.
os.environ.setdefault("GOMP_SPINCOUNT", "10000")
