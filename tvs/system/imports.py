"""Imports with other rights than the code around them."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from importlib.abc import Loader, MetaPathFinder
    from importlib.machinery import ModuleSpec
    from types import ModuleType

    Rights = Callable[[], AbstractContextManager[None]]
else:  # importlib.abc imports a dozen modules more, and the import system asks for the methods only
    Loader = MetaPathFinder = object


@contextmanager
def imports_in(rights: Rights) -> Iterator[None]:
    """In the with-block, modules are found and read with these rights, also by imports in functions."""
    finder = _Finder(rights)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder(MetaPathFinder):
    """Asks the finders behind it, with other rights."""

    def __init__(self, rights: Rights) -> None:
        self._rights = rights

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module's spec, whose loader reads it with the same rights."""
        with self._rights():
            found = (
                other.find_spec(fullname, path, target) for other in sys.meta_path if not isinstance(other, _Finder)
            )
            spec = next((spec for spec in found if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._rights)
        return spec


class _Loader(Loader):
    """A loader that works with other rights, and is otherwise the one that it stands for."""

    def __init__(self, loader: Any, rights: Rights) -> None:
        self._loader = loader
        self._rights = rights

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """See `Loader.create_module`; an extension module's library is read here."""
        with self._rights():
            module: ModuleType | None = self._loader.create_module(spec)
        return module

    def exec_module(self, module: ModuleType) -> None:
        """See `Loader.exec_module`. The module keeps its own loader."""
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with self._rights():
            self._loader.exec_module(module)
