"""Errors that are sentences for people."""

from __future__ import annotations


class StartError(Exception):
    """The service cannot start: a sentence that says what to do."""


class StateError(Exception):
    """The state directory is not there or not usable: a sentence that says what to do."""
