"""Parts of the operating system, used up."""

from tests.fixtures.descriptors import free, no_descriptors

__all__ = ["free", "no_descriptors"]
