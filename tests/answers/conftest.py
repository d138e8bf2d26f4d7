"""Stores and trust lists behind the verifier."""

from tests.fixtures.caches import store

__all__ = ["store"]
