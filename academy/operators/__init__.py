"""Small pure functions that make a new genome from old ones."""
