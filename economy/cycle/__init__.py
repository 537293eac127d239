"""Demand -> Academy -> publish -> sales, again and again: whether species follow the market."""
