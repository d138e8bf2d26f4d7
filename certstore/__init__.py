"""The certificates that the cluster trusts and their purposes: names, the store, and the cache over it."""

__distribution__ = "trust-verification-service"
