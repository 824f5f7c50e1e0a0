"""Training: losses, batches, data and plans that make an Encoder, as citizens of sentence-transformers."""
