"""A harness: one function that takes any bytes and asserts an invariant, and what belongs to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
"""One folder of inputs for each harness."""

One = Callable[[bytes], None]
Mutator = Callable[[bytes, int], bytes]
"""Changes an input's structure: the input and a seed in, another input out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harness:
    """A parser of bytes that strangers write, and what must be true of it for all bytes.

    Attributes:
        name: the word on the command line, and the folder in the corpus.
        invariant: one sentence.
        one: takes an input; raises `AssertionError`, or an error that the parser does not document, for a finding.
        parsers: modules under test, each with the least percentage of lines and branches that the corpus covers.
        mutate: changes an input with its structure kept; None: bytes are changed at random.
        tokens: words that the fuzzer puts into inputs.
    """

    name: str
    invariant: str
    one: One
    parsers: dict[str, int]
    mutate: Mutator | None = None
    tokens: tuple[bytes, ...] = ()

    def corpus(self) -> list[Path]:
        """The inputs of the repository, in order of their names."""
        return sorted(path for path in (CORPUS / self.name).iterdir() if path.is_file())
