"""Fixtures of what is deployed beside the service."""

from tests.fixtures.captures import tshark
from tests.fixtures.service import published_query

__all__ = ["published_query", "tshark"]
