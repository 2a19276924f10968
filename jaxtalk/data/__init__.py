"""Sources of examples: the synthetic corpus, TFDS builders, grain pipelines."""
