"""Errors whose text is a sentence for the administrator."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start; the sentence says what to do."""


class StateError(Exception):
    """The state directory, or a file in it, is missing or not usable; the sentence says what to do."""
