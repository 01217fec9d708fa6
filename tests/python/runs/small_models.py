"""Models of a few trees, for processes in which it does not matter how good they are."""

from nightbook.modelling import boosting

boosting.ROUNDS = 10
boosting.FOREST_PARAMS["num_parallel_tree"] = 10
