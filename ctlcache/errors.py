"""The error of signatures, without what makes them."""

from __future__ import annotations


class SigningError(Exception):
    """A list cannot be signed: a sentence with the reason and the remedy."""
