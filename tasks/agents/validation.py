"""Rules that records are checked by, and how good the records are.

completeness   share of cells that hold something
consistency    share of them that have the type of most of their column
naming         share of fields that are named in the way most of them are
validity       share of records that break no rule
"""

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from blocks.errors import InputError, InputProblems, Problem
from tasks.agents.model import Rule
from tasks.agents.table_data import Cell, TableData, is_missing, is_number, qualities
from tasks.dag import closest
from tasks.expression import compile_expression

PATTERN_S = 2.0
"""Longest that a pattern may take on one text."""
Row = dict[str, Any]
_STYLES = {
    "snake_case": re.compile(r"[a-z0-9]+(_[a-z0-9]+)+"),
    "lower case": re.compile(r"[a-z0-9]+"),
    "camelCase": re.compile(r"[a-z]+[a-z0-9]*([A-Z][a-z0-9]*)+"),
}


def require_known(rules: Sequence[Rule], tables: Mapping[str, TableData]) -> None:
    """Raise before the work where a rule names what is not there.

    Raises:
        InputProblems: A table or field that no rule can be checked on.
    """
    found = []
    for number, rule in enumerate(rules, start=1):
        where = f"rules #{number}"
        if rule.table and rule.table not in tables:
            what = f"table {rule.table!r} is not there"
            found.append(Problem(where, what, closest(rule.table, list(tables))))
        elif not list(_concerned(rule, tables)):
            asked = rule.field or ", ".join(compile_expression(rule.condition).columns)
            there = sorted({name for one in tables.values() for name in one.columns})
            found.append(Problem(where, f"field {asked!r} is in no table", closest(asked, there)))
    if found:
        raise InputProblems(found)


def _concerned(rule: Rule, tables: Mapping[str, TableData]) -> Iterator[TableData]:
    needs = (rule.field,) if rule.field else compile_expression(rule.condition).columns
    for table in [tables[rule.table]] if rule.table else tables.values():
        if set(needs) <= set(table.columns):
            yield table


def violations(rules: Sequence[Rule], tables: Mapping[str, TableData]) -> list[Row]:
    """A row for each record and rule that it breaks: table, row, id, field, value, expected."""
    rows = []
    for rule in rules:
        for table in _concerned(rule, tables):
            broken = _condition(rule, table) if rule.condition else _field(rule, table)
            for number, expected in broken:
                cell = table.column(rule.field)[number - 1] if rule.field else None
                rows.append(
                    {
                        "table": table.name,
                        "row": number,
                        "id": table.label(number),
                        "field": rule.field or rule.condition,
                        "value": "" if cell is None else str(cell),
                        "expected": expected,
                    }
                )
    return sorted(rows, key=lambda row: (row["table"], row["row"]))


def _condition(rule: Rule, table: TableData) -> Iterator[tuple[int, str]]:
    expression = compile_expression(rule.condition)
    frame = pd.DataFrame({name: table.column(name) for name in expression.columns})
    for number, holds in enumerate(expression.evaluate(frame).tolist(), start=1):
        if not holds:
            yield number, rule.condition


def _field(rule: Rule, table: TableData) -> Iterator[tuple[int, str]]:
    cells = table.column(rule.field)
    seen: dict[str, int] = {}
    checks = list(_checks(rule))
    for number, cell in enumerate(cells, start=1):
        if is_missing(cell):
            if rule.needed:
                yield number, "a value"
            continue
        first = seen.setdefault(str(cell), number)
        if rule.unique and first != number:
            yield number, f"a value of its own, row {first} has it"
        for expected, holds in checks:
            if not holds(cell):
                yield number, expected


def _checks(rule: Rule) -> Iterator[tuple[str, Callable[[Cell], bool]]]:
    if rule.min is not None:
        least = rule.min
        yield f"a number of at least {least:g}", lambda cell: is_number(cell) and cell >= least
    if rule.max is not None:
        most = rule.max
        yield f"a number of at most {most:g}", lambda cell: is_number(cell) and cell <= most
    if rule.choices:
        yield f"one of {', '.join(rule.choices)}", lambda cell: str(cell) in rule.choices
    if rule.pattern:
        yield f"the pattern {rule.pattern}", _matcher(rule.pattern)


def _matcher(pattern: str) -> Callable[[Cell], bool]:
    import regex

    compiled = regex.compile(pattern)

    def matches(cell: Cell) -> bool:
        try:
            return compiled.fullmatch(str(cell), timeout=PATTERN_S) is not None
        except TimeoutError:
            told = f"rule with the pattern {pattern!r}: takes longer than {PATTERN_S:g} s"
            raise InputError(f"{told} on one text; expected a simpler one") from None

    return matches


def quality(table: TableData, broken: Sequence[Row]) -> Row:
    """How good the records of a table are; see the module."""
    completeness, consistency = qualities(table)
    rows = len(table.rows)
    bad = len({row["row"] for row in broken if row["table"] == table.name})
    return {
        "table": table.name,
        "records": rows,
        "fields": len(table.columns),
        "completeness": completeness,
        "consistency": consistency,
        "naming": naming(table.columns),
        "broken": bad,
        "validity": 1 - bad / rows if rows else 1.0,
    }


def naming(columns: Sequence[str]) -> float:
    """Share of the fields that are named as most of them are; `id` fits snake and camel case.

    >>> naming(["gene_id", "p_value", "geneName", "id"])
    0.75
    """
    parts = [part for name in columns for part in name.split(".")]
    styles = Counter(_style(part) for part in parts)
    plain = styles.pop("lower case", 0)
    most = max((n for style, n in styles.items() if style != "other"), default=0)
    return (most + plain) / len(parts) if parts else 1.0


def _style(name: str) -> str:
    return next((style for style, pattern in _STYLES.items() if pattern.fullmatch(name)), "other")
