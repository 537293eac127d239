"""Scoring and training on the workers of a Ray cluster, with the results of one process."""
