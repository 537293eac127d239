"""What differs between the databases a market can live in, and what every table stands on."""
