"""A cluster as a value, and its administrator."""

from tests.fixtures.administrator import admin, made, other

__all__ = ["admin", "made", "other"]
