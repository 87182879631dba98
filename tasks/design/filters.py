"""Filters: each judges the complete table and says, for every row, whether and why.

A missing value fails unless the filter says otherwise.  A missing sequence counts as empty.
"""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from blocks.errors import InputError
from tasks.attrition import limit_rule
from tasks.design import selection
from tasks.expression import compile_expression, numeric_column, require_columns
from tasks.parameters import Params

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
Letters = Annotated[str, Field(pattern=r"^[A-Z*]+$")]
Position = Annotated[int, Field(ge=1, le=100_000)]

RESERVED = frozenset(
    {"item", "id", "description", "sequence", "length", "digest", "source"}
    | {"outcome", "lost_at", "method", "mutations", "parent", "rank"}
)
"""Columns of a run that no filter may give."""
LETTERS = {"protein": "ACDEFGHIKLMNPQRSTVWY", "dna": "ACGT", "rna": "ACGU"}
"""Unambiguous letters."""


class _Window(Params):
    """What lies between two limits."""

    min: float | None = Field(
        None, title="Min", description="smallest value kept", allow_inf_nan=False
    )
    max: float | None = Field(
        None, title="Max", description="largest value kept", allow_inf_nan=False
    )

    @model_validator(mode="after")
    def _one_limit_at_least(self) -> Self:
        if self.min is None and self.max is None:
            raise ValueError("neither min nor max is set; expected at least one")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min:g} is above max {self.max:g}; expected min <= max")
        return self


class _ReferenceWindow(_Window):
    """A figure of how a sequence compares with a reference."""

    reference: str = Field(
        "", title="Reference", description="sequence; empty: the run's parent", max_length=100_000
    )
    column: ColumnName = Field("sequence", title="Chain", description="column with the sequences")
    name: ColumnName = Field(title="New column", description="where the figure is kept")

    @model_validator(mode="after")
    def _free_name(self) -> Self:
        if self.name in RESERVED | {self.column}:
            raise ValueError(f"name {self.name!r} is taken; expected one that no column has")
        return self


class ThresholdFilter(_Window):
    """Keep values between limits, which are kept too."""

    kind: Literal["threshold"] = "threshold"
    column: ColumnName = Field(title="Column", description="with numbers")
    keep_na: bool = Field(
        False, title="Keep missing", description="keep items without a value in this column"
    )


class TopFilter(Params):
    """Keep the best by one column; of equal values the first in the table."""

    kind: Literal["top"] = "top"
    column: ColumnName = Field(title="Column", description="with numbers")
    n: int | None = Field(None, title="Number", description="items to keep", ge=1)
    percentile: float | None = Field(
        None, title="Percentile", description="90 keeps the best 10 %, rounded up", ge=0, lt=100
    )
    largest: bool = Field(True, title="Largest", description="off: the smallest are the best")
    group: str = Field(
        "", title="Per group", description="column: keep so many of each of its values; or empty"
    )

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if (self.n is None) == (self.percentile is None):
            raise ValueError("n and percentile: both or neither are set; expected one of them")
        if self.group == self.column:
            raise ValueError(f"group is {self.group!r} as is column; expected two columns")
        return self


class LengthFilter(Params):
    """Keep sequences of some lengths."""

    kind: Literal["length"] = "length"
    min: int = Field(0, title="Min", description="shortest kept [residues]", ge=0)
    max: int | None = Field(None, title="Max", description="longest kept [residues]", ge=0)
    column: ColumnName = Field("sequence", title="Chain", description="column with the sequences")

    @model_validator(mode="after")
    def _a_window(self) -> Self:
        if not self.min and self.max is None:
            raise ValueError("neither min nor max is set; expected at least one")
        if self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; expected min <= max")
        return self


class AlphabetFilter(Params):
    """Keep sequences of certain letters only; the `:` between chains is one of them."""

    kind: Literal["alphabet"] = "alphabet"
    alphabet: Literal["protein", "dna", "rna", "custom"] = Field(
        "protein", title="Alphabet", description="without ambiguous letters; custom: see `letters`"
    )
    letters: str = Field(
        "", title="Letters", description="allowed letters, for `custom`", pattern=r"^[A-Z*]*$"
    )
    column: ColumnName = Field("sequence", title="Chain", description="column with the sequences")

    @model_validator(mode="after")
    def _letters_for_custom(self) -> Self:
        if (self.alphabet == "custom") != bool(self.letters):
            raise ValueError("letters and alphabet: expected letters with 'custom', and only then")
        return self

    @property
    def allowed(self) -> str:
        """The letters that may occur."""
        return self.letters or LETTERS[self.alphabet]


class ConservedFilter(Params):
    """Keep sequences that have one of the allowed letters at each position."""

    kind: Literal["conserved"] = "conserved"
    positions: dict[Position, Letters] = Field(
        title="Positions",
        description='allowed letters by position, counted from 1: {"12": "C", "40": "DE"}',
        min_length=1,
    )
    column: ColumnName = Field("sequence", title="Chain", description="column with the sequences")


class DistanceFilter(_ReferenceWindow):
    """Keep sequences at some distance from a reference."""

    kind: Literal["distance"] = "distance"
    metric: selection.Metric = Field(
        "hamming",
        title="Distance",
        description="hamming: substitutions, other lengths are dropped; edit: gaps too",
    )
    normalised: bool = Field(
        False, title="Normalised", description="divide by the longer length: 0 to 1"
    )
    name: ColumnName = Field(
        "distance_to_reference", title="New column", description="where the distance is kept"
    )


class IdentityFilter(_ReferenceWindow):
    """Keep sequences of some identity with a reference: identical letters by longer length."""

    kind: Literal["identity"] = "identity"
    min: float | None = Field(None, title="Min", description="smallest kept [0 to 1]", ge=0, le=1)
    max: float | None = Field(None, title="Max", description="largest kept [0 to 1]", ge=0, le=1)
    name: ColumnName = Field(
        "identity_to_reference", title="New column", description="where the identity is kept"
    )


class DiversityFilter(Params):
    """Keep some that differ from each other."""

    kind: Literal["diversity"] = "diversity"
    method: Literal["maxmin", "clustered"] = Field(
        "maxmin",
        title="Method",
        description="maxmin: each is the farthest from those before; clustered: best of clusters",
    )
    n: int | None = Field(
        None, title="Number", description="items to keep; clustered, empty: one per cluster", ge=1
    )
    score: str = Field(
        "",
        title="Score",
        description="column: maxmin starts with its best; best of a cluster; or empty",
    )
    largest: bool = Field(True, title="Largest score", description="off: the smallest is best")
    cluster: str = Field("", title="Cluster", description="column, for `clustered`")
    random_start: bool = Field(
        False, title="Random start", description="maxmin without score: off starts with the first"
    )

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> Self:
        if self.method == "maxmin" and self.n is None:
            raise ValueError("maxmin without n; expected the number of items to keep")
        if (self.method == "clustered") != bool(self.cluster):
            raise ValueError("cluster: expected a column with 'clustered', and only then")
        if self.method == "clustered" and not self.score:
            raise ValueError("clustered without score; expected the column that tells the best")
        if self.score and self.score == self.cluster:
            raise ValueError(f"score and cluster are both {self.score!r}; expected two columns")
        if self.random_start and (self.score or self.method == "clustered"):
            raise ValueError("random_start: expected with 'maxmin' and without score only")
        return self


class ExpressionFilter(Params):
    """Keep items for which a condition is true."""

    kind: Literal["expression"] = "expression"
    expression: str = Field(
        title="Condition",
        description='of columns, e.g. plddt >= 80 and not contains(sequence, "NG")',
        min_length=1,
        max_length=2_000,
    )

    @field_validator("expression")
    @classmethod
    def _is_a_condition(cls, text: str) -> str:
        try:
            compiled = compile_expression(text)
        except InputError as error:
            raise ValueError(str(error)) from error
        if not compiled.is_condition:
            raise ValueError(f"expression {text!r} gives no truth value; expected a comparison")
        return text.strip()


_Simple: TypeAlias = (
    ThresholdFilter
    | TopFilter
    | LengthFilter
    | AlphabetFilter
    | ConservedFilter
    | DistanceFilter
    | IdentityFilter
    | DiversityFilter
    | ExpressionFilter
)
SimpleFilter = Annotated[_Simple, Field(discriminator="kind")]


class _Composite(Params):
    """Several filters, each of which judges the complete table."""

    @model_validator(mode="after")
    def _each_column_once(self) -> Self:
        added = columns_added(self)  # type: ignore[arg-type]  # only subclasses are made
        twice = sorted({name for name in added if added.count(name) > 1})
        if twice:
            raise ValueError(f"two filters give column {twice[0]!r}; expected another `name`")
        return self


class AllOfFilter(_Composite):
    """Keep what passes all filters; a loss names the first that failed."""

    kind: Literal["all_of"] = "all_of"
    filters: tuple[SimpleFilter, ...] = Field(
        title="Filters", description="in the order in which losses are told", min_length=1
    )


class AnyOfFilter(_Composite):
    """Keep what passes one of the filters; a loss names all, and the figures of the first."""

    kind: Literal["any_of"] = "any_of"
    filters: tuple[Annotated[_Simple | AllOfFilter, Field(discriminator="kind")], ...] = Field(
        title="Filters", description="one of them is enough", min_length=1
    )


AnyFilter: TypeAlias = _Simple | AllOfFilter | AnyOfFilter
FilterParams = Annotated[AnyFilter, Field(discriminator="kind")]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says about each of n rows."""

    keep: NDArray[np.bool_]
    rule: NDArray[np.object_]
    """The rule that was not met, in words; "" where kept."""
    column: NDArray[np.object_]
    """Column that was judged; "" where there is none."""
    value: NDArray[np.float64]
    """The row's value; NaN where there is none."""
    threshold: NDArray[np.float64]
    """The limit that was missed; NaN where there is none."""
    columns: dict[str, NDArray[Any]] = field(default_factory=dict)
    """New columns, for all rows."""


def columns_needed(params: AnyFilter) -> set[str]:
    """Columns that a filter reads."""
    match params:
        case AllOfFilter(filters=filters) | AnyOfFilter(filters=filters):
            return set().union(*map(columns_needed, filters))
        case ExpressionFilter(expression=text):
            return set(compile_expression(text).columns)
        case TopFilter():
            return {params.column} | ({params.group} - {""})
        case DiversityFilter():
            sequence = "sequence" if params.method == "maxmin" else ""
            return {sequence, params.score, params.cluster} - {""}
        case _:
            return {params.column}


def columns_added(params: AnyFilter) -> tuple[str, ...]:
    """Columns that a filter gives to all rows."""
    match params:
        case AllOfFilter(filters=filters) | AnyOfFilter(filters=filters):
            return tuple(name for one in filters for name in columns_added(one))
        case DistanceFilter(name=name) | IdentityFilter(name=name):
            return (name,)
        case _:
            return ()


def needs_parent(params: AnyFilter) -> bool:
    """Whether a filter compares with the run's parent."""
    match params:
        case AllOfFilter(filters=filters) | AnyOfFilter(filters=filters):
            return any(map(needs_parent, filters))
        case DistanceFilter(reference="") | IdentityFilter(reference=""):
            return True
        case _:
            return False


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


def rank_verdict(ranks: "pd.Series[Any]", limit: int) -> Verdict:
    """Keep ranks up to `limit`; 1 is the best."""
    return _within(ranks.to_numpy(np.float64, na_value=np.nan), "rank", None, limit)


def _judge(params: AnyFilter, table: pd.DataFrame, parent: str, seed: int) -> Verdict:  # noqa: C901 -- a case for each kind
    match params:
        case ThresholdFilter(column=column):
            values = numeric_column(table, column, "filter 'threshold'")
            return _within(values, column, params.min, params.max, keep_na=params.keep_na)
        case TopFilter():
            return _top(params, table)
        case LengthFilter(column=column):
            lengths = np.array([len(one) for one in _sequences(table, column)], np.float64)
            label = "length" if column == "sequence" else f"length of {column}"
            return _within(lengths, label, params.min or None, params.max)
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
            return _all_of([_judge(one, table, parent, seed) for one in filters])
        case AnyOfFilter(filters=filters):
            return _any_of([_judge(one, table, parent, seed) for one in filters])


def _sequences(table: pd.DataFrame, column: str) -> list[str]:
    texts = table[column].fillna("").tolist()
    if not all(isinstance(text, str) for text in texts):
        raise InputError(f"column {column!r} holds no text; expected sequences")
    return texts


def _failed(
    failures: list[tuple[NDArray[np.bool_], str, float | NDArray[np.float64]]],
    value: NDArray[np.float64],
    column: str,
    columns: dict[str, NDArray[Any]] | None = None,
) -> Verdict:
    """The verdict of rows that fail where a mask says so, each for the first that does.

    Args:
        failures: Mask, rule and limit.
    """
    size = len(value)
    rule, judged = np.full(size, "", object), np.full(size, column, object)
    threshold = np.full(size, np.nan)
    lost = np.zeros(size, np.bool_)
    for mask, words, limit in failures:
        fresh = mask & ~lost
        rule[fresh] = words
        threshold[fresh] = np.broadcast_to(limit, size)[fresh]
        lost |= mask
    return Verdict(~lost, rule, judged, value, threshold, columns or {})


def _within(
    values: NDArray[np.float64],
    column: str,
    low: float | None,
    high: float | None,
    *,
    keep_na: bool = False,
    missing: str = "",
    columns: dict[str, NDArray[Any]] | None = None,
) -> Verdict:
    """Values from `low` to `high` are kept; `missing` is the rule that a missing one breaks."""
    failures: list[tuple[NDArray[np.bool_], str, float | NDArray[np.float64]]] = []
    if not keep_na:
        failures.append((np.isnan(values), missing or f"{column} missing", np.nan))
    if low is not None:
        failures.append((values < low, limit_rule(column, ">=", low), low))
    if high is not None:
        failures.append((values > high, limit_rule(column, "<=", high), high))
    return _failed(failures, values, column, columns)


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
    return _failed([missing, (~taken, words, limit)], values, params.column)


def _alphabet(params: AlphabetFilter, table: pd.DataFrame) -> Verdict:
    allowed = (params.allowed + ":").encode("ascii")
    sequences = _sequences(table, params.column)
    others = [len(text.encode().translate(None, allowed)) for text in sequences]
    count = np.array(others, np.float64)
    name = f"letters of {params.alphabet}" if not params.letters else f"letters {params.letters}"
    return _failed([(count > 0, f"{params.column} has only {name}", 0.0)], count, params.column)


def _conserved(params: ConservedFilter, table: pd.DataFrame) -> Verdict:
    sequences = _sequences(table, params.column)
    failures: list[tuple[NDArray[np.bool_], str, float | NDArray[np.float64]]] = []
    for position, letters in sorted(params.positions.items()):
        there = np.array([text[position - 1 : position] for text in sequences], "U1")
        failures.append((there == "", f"position {position} is there", np.nan))
        words = f"position {position} in {letters}"
        failures.append((~np.isin(there, list(letters)), words, np.nan))
    return _failed(failures, np.full(len(table), np.nan), params.column)


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
    return _within(
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
    return _failed([(~picked, words, limit)], nearest, "sequence")


def _clustered(params: DiversityFilter, table: pd.DataFrame) -> Verdict:
    scores = numeric_column(table, params.score, "filter 'diversity'")
    clusters = selection.group_numbers(table[params.cluster])
    taken = selection.best_of_clusters(scores, clusters, params.n, largest=params.largest)
    limit = selection.worst_taken(scores, clusters, taken, largest=params.largest)
    words = f"best {params.score} of each {params.cluster}"
    words += f", {params.n} in turn" if params.n is not None else ""
    return _failed([(~taken, words, limit)], scores, params.score)


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
    return _failed([(~keep, params.expression, np.nan)], value, column)


def _all_of(parts: list[Verdict]) -> Verdict:
    """Each row's first failure; where there is none, the figures of the first filter."""
    first = np.argmin([part.keep for part in parts], axis=0)
    return _chosen(parts, first, np.logical_and.reduce([part.keep for part in parts]))


def _any_of(parts: list[Verdict]) -> Verdict:
    keep = np.logical_or.reduce([part.keep for part in parts])
    verdict = _chosen(parts, np.zeros(len(keep), np.int64), keep)
    for row in np.flatnonzero(~keep):
        verdict.rule[row] = " or ".join(part.rule[row] for part in parts)
    return verdict


def _chosen(parts: list[Verdict], which: NDArray[np.int64], keep: NDArray[np.bool_]) -> Verdict:
    """Each row's figures from the part that `which` says."""
    rows = np.arange(len(keep))
    rule = np.stack([part.rule for part in parts])[which, rows]
    return Verdict(
        keep,
        np.where(keep, "", rule),
        np.stack([part.column for part in parts])[which, rows],
        np.stack([part.value for part in parts])[which, rows],
        np.where(keep, np.nan, np.stack([part.threshold for part in parts])[which, rows]),
        {name: values for part in parts for name, values in part.columns.items()},
    )
