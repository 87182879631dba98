"""Filters: each judges the complete table and says, for every row, whether and why.

A missing value fails unless the filter says otherwise.  A missing sequence counts as empty.
"""

import numpy as np
import pandas as pd

from blocks.errors import InputError
from tasks.column_values import numeric_column, require_columns
from tasks.design import selection
from tasks.design.filter_params import (
    AllOfFilter,
    AlphabetFilter,
    AnyFilter,
    AnyOfFilter,
    ConservedFilter,
    DistanceFilter,
    DiversityFilter,
    ExpressionFilter,
    IdentityFilter,
    LengthFilter,
    ThresholdFilter,
    TopFilter,
    columns_added,
    columns_needed,
    needs_parent,
)
from tasks.design.verdicts import Failure, Verdict, all_of, any_of, failed, within
from tasks.expression import compile_expression


def apply_filter(
    params: AnyFilter, table: pd.DataFrame, *, parent: str | None = None, seed: int = 0
) -> Verdict:
    """What the filter says about each row; the table stays as it is.

    Args:
        table: `item`, unique, and the columns the filter needs.
        parent: Reference of filters that name none.
        seed: For the random start of `diversity`.

    Raises:
        InputError: A column is not there, of the wrong kind, or there already; no reference.
    """
    where = f"filter {params.kind!r}"
    require_columns(table, ["item", *sorted(columns_needed(params))], where)
    if not table["item"].is_unique:
        raise InputError(f"{where}: an item stands in two rows; expected each once")
    for name in columns_added(params):
        if name in table.columns:
            raise InputError(f"{where}: column {name!r} is there already; expected another `name`")
    if needs_parent(params) and not parent:
        raise InputError(f"{where}: no parent; expected one, or a `reference`")
    return _judge(params, table, parent or "", seed)


def _judge(params: AnyFilter, table: pd.DataFrame, parent: str, seed: int) -> Verdict:  # noqa: C901 -- a case for each kind
    match params:
        case ThresholdFilter(column=column):
            values = numeric_column(table, column, "filter 'threshold'")
            return within(values, column, params.min, params.max, keep_na=params.keep_na)
        case TopFilter():
            return _top(params, table)
        case LengthFilter(column=column):
            lengths = np.array([len(one) for one in _sequences(table, column)], np.float64)
            label = "length" if column == "sequence" else f"length of {column}"
            return within(lengths, label, params.min or None, params.max)
        case AlphabetFilter():
            return _alphabet(params, table)
        case ConservedFilter():
            return _conserved(params, table)
        case DistanceFilter() | IdentityFilter():
            return _reference(params, table, params.reference or parent)
        case DiversityFilter(method="maxmin"):
            return _maxmin(params, table, seed)
        case DiversityFilter():
            return _clustered(params, table)
        case ExpressionFilter():
            return _expression(params, table)
        case AllOfFilter(filters=filters):
            return all_of([_judge(one, table, parent, seed) for one in filters])
        case AnyOfFilter(filters=filters):
            return any_of([_judge(one, table, parent, seed) for one in filters])


def _sequences(table: pd.DataFrame, column: str) -> list[str]:
    texts = table[column].fillna("").tolist()
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"column {column!r} holds no text; expected sequences")
    return texts


def _top(params: TopFilter, table: pd.DataFrame) -> Verdict:
    values = numeric_column(table, params.column, "filter 'top'")
    groups = np.zeros(len(table), np.int64)
    if params.group:
        groups = selection.group_numbers(table[params.group])
    taken, limit = selection.best_rows(
        values, groups, n=params.n, percentile=params.percentile, largest=params.largest
    )
    number = f"{params.n}" if params.n is not None else f"{100 - (params.percentile or 0):.12g} %"
    side = "largest" if params.largest else "smallest"
    words = f"among the {number} {side} {params.column}"
    words += f" of each {params.group}" if params.group else ""
    missing = (np.isnan(values), f"{params.column} missing", np.nan)
    return failed([missing, (~taken, words, limit)], values, params.column)


def _alphabet(params: AlphabetFilter, table: pd.DataFrame) -> Verdict:
    allowed = (params.allowed + ":").encode("ascii")
    sequences = _sequences(table, params.column)
    others = [len(text.encode().translate(None, allowed)) for text in sequences]
    count = np.array(others, np.float64)
    name = f"letters of {params.alphabet}" if not params.letters else f"letters {params.letters}"
    return failed([(count > 0, f"{params.column} has only {name}", 0.0)], count, params.column)


def _conserved(params: ConservedFilter, table: pd.DataFrame) -> Verdict:
    sequences = _sequences(table, params.column)
    failures: list[Failure] = []
    for position, letters in sorted(params.positions.items()):
        there = np.array([text[position - 1 : position] for text in sequences], "U1")
        failures.append((there == "", f"position {position} is there", np.nan))
        words = f"position {position} in {letters}"
        failures.append((~np.isin(there, list(letters)), words, np.nan))
    return failed(failures, np.full(len(table), np.nan), params.column)


def _reference(
    params: DistanceFilter | IdentityFilter, table: pd.DataFrame, reference: str
) -> Verdict:
    sequences = _sequences(table, params.column)
    if isinstance(params, IdentityFilter):
        values = selection.identities(sequences, reference)
    else:
        values = selection.distances(
            sequences, reference, params.metric, normalised=params.normalised
        )
    return within(
        values,
        params.name,
        params.min,
        params.max,
        missing="as long as the reference",
        columns={params.name: values},
    )


def _maxmin(params: DiversityFilter, table: pd.DataFrame, seed: int) -> Verdict:
    start = 0
    if params.score and len(table):
        scores = numeric_column(table, params.score, "filter 'diversity'")
        start = int(
            np.argmin(
                selection.places(scores, np.zeros(len(scores), np.int64), largest=params.largest)
            )
        )
    elif params.random_start and len(table):
        start = int(np.random.default_rng(seed).integers(len(table)))
    picked, nearest, radius = selection.farthest_points(
        _sequences(table, "sequence"), params.n or 1, start
    )
    limit = radius if np.isfinite(radius) else np.nan
    words = f"among the {params.n} most different"
    return failed([(~picked, words, limit)], nearest, "sequence")


def _clustered(params: DiversityFilter, table: pd.DataFrame) -> Verdict:
    scores = numeric_column(table, params.score, "filter 'diversity'")
    clusters = selection.group_numbers(table[params.cluster])
    taken = selection.best_of_clusters(scores, clusters, params.n, largest=params.largest)
    limit = selection.worst_taken(scores, clusters, taken, largest=params.largest)
    words = f"best {params.score} of each {params.cluster}"
    words += f", {params.n} in turn" if params.n is not None else ""
    return failed([(~taken, words, limit)], scores, params.score)


def _expression(params: ExpressionFilter, table: pd.DataFrame) -> Verdict:
    compiled = compile_expression(params.expression)
    result = compiled.evaluate(table)
    if result.dtype != np.bool_ and not result.isna().all():
        raise InputError(
            f"expression {params.expression!r} gives {result.dtype}; expected a condition"
        )
    keep = result.fillna(False).to_numpy(np.bool_)
    value, column = np.full(len(table), np.nan), ""
    if len(compiled.columns) == 1:
        column = compiled.columns[0]
        if pd.api.types.is_numeric_dtype(table[column]):
            value = numeric_column(table, column, "filter 'expression'")
    return failed([(~keep, params.expression, np.nan)], value, column)
