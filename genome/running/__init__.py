"""Populations in one pass: how rows are grouped, factors stacked, updates added."""
