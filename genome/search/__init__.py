"""Finding layers: encoders of questions, the parts of the vector index, advice."""
