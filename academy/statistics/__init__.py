"""Intervals, tests and summaries that claims are made with."""
