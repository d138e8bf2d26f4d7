"""Sources of answers: the verifier, its two caches, and the seed of new workers."""
