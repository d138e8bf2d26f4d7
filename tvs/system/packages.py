"""Check that the packages beside `tvs` are this project's.

`proto` shares its name with a package of proto-plus, which Google Cloud's libraries bring: in one environment pip
overwrites `proto/__init__.py` without a word. The check reads source text and imports nothing.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.machinery import ModuleSpec

PACKAGES: Final = ("proto", "certstore", "ctlcache")
MARK: Final = '__distribution__ = "trust-verification-service"'
"""A line of each package's `__init__.py`."""
_ADVICE: Final = (
    "tvs needs an environment of its own: install it with 'pipx install SOURCE', or with 'python3 -m venv DIR' and "
    "'DIR/bin/pip install SOURCE', where SOURCE is its wheel or its folder"
)


def foreign_package(find: Callable[[str], ModuleSpec | None] = find_spec) -> str | None:
    """A sentence about the first package that is not this project's; None if all are.

    Args:
        find: finds a package without importing it.
    """
    for name in PACKAGES:
        spec = find(name)
        if spec is None or spec.origin is None:
            return f"the package {name} is missing or incomplete, perhaps removed with another project; {_ADVICE}"
        if MARK not in _source(spec):
            also = " (proto-plus has a package of this name)" if name == "proto" else ""
            return f"the package {name} in {spec.origin} belongs to another project{also}; {_ADVICE}"
    return None


def _source(spec: ModuleSpec) -> list[str]:
    """The lines of a package's `__init__.py`; none if it has no source text."""
    read = getattr(spec.loader, "get_source", None)
    try:
        text = read(spec.name) if read is not None else None
    except (ImportError, SyntaxError):
        text = None
    return (text or "").splitlines()
