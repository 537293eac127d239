"""The Academy: populations of genomes under a token budget, saved after every generation."""
