"""A cluster and its administrator."""

from tests.fixtures.administrator import admin, made, other, serve

__all__ = ["admin", "made", "other", "serve"]
