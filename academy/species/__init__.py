"""What keeps a population from becoming one thing: archive, species, islands."""
