"""Tables as the original's commands print them."""

from __future__ import annotations

import pytest

from tvs.cli.tables import MAX_WIDTH, table


def test_columns_are_as_wide_as_their_widest_value() -> None:
    """Columns stand one blank apart, with a line of = under the names and no blanks at the ends of lines."""
    text = table(("name", "n"), [("cucm-1051-a-pub", 1), ("x", 22)])
    assert text.split("\n") == [
        "name            n",
        "=============== ==",
        "cucm-1051-a-pub 1",
        "x               22",
    ]


def test_table_without_rows_has_its_names() -> None:
    """A table of nothing is its names and the line under them."""
    assert table(("pkid", "value"), []) == "pkid value\n==== ====="


def test_each_row_is_one_line() -> None:
    """None is NULL; control characters and undecodable bytes are escaped, and their escapes count for the width."""
    text = table(("a", "b"), [("x\ny", None), ("\udcff", True)])
    assert text.split("\n") == ["a      b", "====== ====", "x\\x0ay NULL", "\\xff   True"]


def test_rows_have_all_columns() -> None:
    """A row of another length is a mistake of the caller."""
    with pytest.raises(ValueError, match="argument 2"):
        table(("a", "b"), [("x",)])


def test_binary_values_are_short() -> None:
    """Of more than eight bytes, the first stand in hex with the number of all."""
    text = table(("der",), [(bytes(range(8)),), (bytes(range(9)),), (b"",)])
    assert text.split("\n")[2:] == ["x'0001020304050607'", "x'0001020304050607' … 9 bytes", "x''"]


def test_one_long_value_lengthens_no_other_row() -> None:
    """A column is padded to a limit; a longer value is printed whole."""
    lines = table(("a", "b"), [("x" * (MAX_WIDTH + 50), 1), *[("y", 2)] * 3]).split("\n")
    assert lines[2] == "x" * (MAX_WIDTH + 50) + " 1"
    assert [len(line) for line in lines[3:]] == [MAX_WIDTH + 2] * 3
