"""Models of a few trees, for processes in which their quality does not matter."""

from nightbook.modelling import boosting

boosting.ROUNDS = 10
boosting.FOREST_PARAMS["num_parallel_tree"] = 10
