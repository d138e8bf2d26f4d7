"""Limits of an administrator's SELECT statement, and the sentences for those that are refused."""

from __future__ import annotations

import re

from certstore.errors import StoreError

MAX_ROWS = 100_000
"""Rows of one result: people do not read more, and a mistake in a join makes billions."""
MAX_BYTES = 16_000_000
"""Bytes of one result, in memory: what is printed of it takes a few times as many."""
TIME_LIMIT = 10.0
"""Seconds for one statement."""
_SELECT = r"\s*(select|with|values)\b"


def check_statement(sql: str) -> None:
    """Raises `StoreError` for a statement that does not start as a SELECT does; the database refuses the others."""
    if not re.match(_SELECT, sql, re.IGNORECASE):
        raise not_a_select()


def not_a_select(detail: str = "") -> StoreError:
    """The error for a statement that is not a SELECT; `detail` is the message of the database."""
    behind = f" ({detail})" if detail else ""
    return StoreError(f"only SELECT statements can be run; change the store with the tvs commands{behind}")


def too_many_rows() -> StoreError:
    """The error for a result of more than `MAX_ROWS` rows."""
    return StoreError(f"the statement gives more than {MAX_ROWS} rows; add a condition or a LIMIT")


def too_many_bytes() -> StoreError:
    """The error for a result of more than `MAX_BYTES` bytes."""
    return StoreError(
        f"the statement gives more than {MAX_BYTES // 1_000_000} MB; add a condition or a LIMIT, or name fewer columns"
    )


def too_slow() -> StoreError:
    """The error for a statement that was stopped after `TIME_LIMIT`."""
    return StoreError(f"the statement was stopped after {TIME_LIMIT:.0f} s; add a condition or a LIMIT")
