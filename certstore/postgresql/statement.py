"""Statements of administrators that cannot do anything but read: only functions without side effects are called.

A transaction that only reads does not keep a function from ending other sessions, reading the server's files or sending
notifications. So the names before opening parentheses must be those below, or words of SQL, or the statement's own
tables. PostgreSQL also takes ``x.f`` and ``(x).f`` as ``f(x)``: the names behind dots are compared with the functions
of the server (`certstore.postgresql.select`). Operators and casts of PostgreSQL have no side effects. What an extension
or a user of the database has made under one of the names can be called: making it needs rights that this statement does
not have.
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import NamedTuple

from certstore.errors import StoreError

_FUNCTIONS_TEXT = """
    abs age any_value array_agg array_length array_to_string ascii avg bit_and bit_length bit_or bool_and bool_or
    btrim cardinality ceil ceiling char_length character_length chr concat concat_ws convert_from convert_to corr
    count cume_dist current_database current_schema date_bin date_part date_trunc decode degrees dense_rank div
    encode every exp first_value floor format generate_series hex initcap isfinite json_agg json_array_length
    json_build_array json_build_object json_object_agg jsonb_agg jsonb_array_length jsonb_build_array
    jsonb_build_object jsonb_object_agg jsonb_pretty justify_days justify_hours justify_interval lag last_value lead
    left length ln log lower lpad ltrim make_date make_interval make_time make_timestamp make_timestamptz max md5
    min mod now nth_value ntile num_nonnulls num_nulls octet_length overlay parse_ident percent_rank percentile_cont
    percentile_disc pg_column_size pg_typeof pi position power quote_ident quote_literal quote_nullable random rank
    regexp_match regexp_matches regexp_replace regexp_split_to_array regexp_split_to_table repeat replace reverse
    right round row_number row_to_json rpad rtrim sha224 sha256 sha384 sha512 sign split_part sqrt starts_with
    statement_timestamp stddev stddev_pop stddev_samp string_agg string_to_array strpos substr substring sum
    timezone to_char to_date to_hex to_json to_jsonb to_number to_timestamp translate trim trunc unnest upper
    var_pop var_samp variance version width_bucket
"""
FUNCTIONS = frozenset(_FUNCTIONS_TEXT.split())
"""Functions of PostgreSQL without side effects, and `hex`, which the store's tables come with."""
_WORDS_TEXT = """
    all and any array as between bit by case cast char character coalesce cube decimal distinct else except exists
    extract filter float from grouping greatest group having ilike in intersect interval is join lateral least like
    limit materialized not nullif numeric offset on or over row rollup select sets similar some then time timestamp
    union using values varchar varying when where with within
"""
_WORDS = frozenset(_WORDS_TEXT.split())
"""Words of SQL that a parenthesis may follow; parts of types among them."""
_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\n\r\f\v]+ | --[^\n\r]* | /\*(?:(?!/\*|\*/).)*\*/)
    | (?P<text>'(?:[^']|'')*')
    | (?P<quoted>"(?:[^"]|"")+")
    | (?P<name>[A-Za-z_\x80-\U0010ffff][A-Za-z0-9_\x80-\U0010ffff]*)
    | (?P<number>[0-9][0-9.]*)
    | (?P<sign>[^'"$])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = ("e", "u")
"""Letters that give a text or a quoted name behind them escapes, in which a quote may hide."""


_WRITING = frozenset(("insert", "update", "delete", "merge", "into"))
"""Words of statements that change something."""


class _Token(NamedTuple):
    kind: str
    text: str

    @property
    def word(self) -> str:
        """The name in the case that PostgreSQL compares; empty for other tokens."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text.lower() if self.kind == "name" else ""


def check_reading(sql: str) -> None:
    """Raises `StoreError` for several statements, and for a function that is not in `FUNCTIONS` or hides its name.

    A statement that passes can be put into parentheses: it does not close them.
    """
    tokens = _tokens(sql)
    _check_alone(tokens)
    for place, token in enumerate(tokens[:-1]):
        if tokens[place + 1].text != "(" or not token.word or _is_own_table(tokens, place):
            continue
        if token.word not in FUNCTIONS and not (token.kind == "name" and token.word in _WORDS):
            raise StoreError(
                f"the statement calls {token.word}, which is not one of the functions that only read their arguments; "
                "use psql for it"
            )


def _check_alone(tokens: list[_Token]) -> None:
    depth = 0
    for token in tokens:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if token.text == ";":
            raise StoreError("one statement at a time: there is something behind a semicolon")
        if depth < 0:
            raise StoreError("the statement has a closing parenthesis too many")


def fields(sql: str) -> list[str]:
    """The names behind dots but for `FUNCTIONS`: columns and tables, or functions of what stands before the dot."""
    tokens = _tokens(sql)
    behind = {token.word for dot, token in pairwise(tokens) if dot.text == "." and token.word}
    return sorted(behind - FUNCTIONS)


def writes(sql: str) -> bool:
    """Whether a statement that is not a SELECT may have been meant as one that changes something."""
    return any(token.word in _WRITING for token in _tokens(sql))


def _tokens(sql: str) -> list[_Token]:
    tokens: list[_Token] = []
    place, before = 0, ""
    while place < len(sql):
        match = _TOKEN.match(sql, place)
        if match is None or (match.lastgroup == "sign" and sql.startswith("/*", place)):
            raise StoreError(
                f"the statement cannot be read from here on: {sql[place : place + 20]!r}; it may have no $"
            )
        kind = match.lastgroup or ""
        if kind in ("text", "quoted") and before.lower().removesuffix("&") in _ESCAPES:
            raise StoreError("the statement has a text with escapes (E'…', U&'…'): write the characters themselves")
        before = "u&" if before.lower() == "u" and match[0] == "&" else match[0]
        if kind != "space":
            tokens.append(_Token(kind, match[0]))
        place = match.end()
    return tokens


def _is_own_table(tokens: list[_Token], place: int) -> bool:
    """Whether the statement gives the name before a parenthesis: ``… AS t(a, b)``, ``WITH t(a, b) AS (…)``."""
    previous = tokens[place - 1].word if place else ""
    if previous in ("as", "recursive"):
        return True
    end = place + 2
    while end < len(tokens) and (tokens[end].word or tokens[end].text == ","):
        end += 1
    following = [token.word or token.text for token in tokens[end : end + 6]]
    if following[:2] != [")", "as"]:
        return False
    following = [word for word in following[2:] if word not in ("not", "materialized")]
    return following[:1] == ["("] and following[1:2] in (["select"], ["values"], ["with"], ["("])
