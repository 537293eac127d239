"""The rules as arithmetic: price, reputation, trust, royalty, ranking, significance."""
