"""What differs between the databases a market can live in; `marketplace.database` is the same."""
