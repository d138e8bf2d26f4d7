"""Where an answer comes from: the verifier, its two caches, and what they are made of."""
