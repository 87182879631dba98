"""Settings of filters, and which columns a filter reads and gives."""

from typing import Annotated, Literal, Self, TypeAlias

from pydantic import Field, field_validator, model_validator

from blocks.errors import InputError
from tasks.design.column_names import RESERVED
from tasks.design.selection import Metric
from tasks.expression import compile_expression
from tasks.parameters import Params

ColumnName = Annotated[str, Field(min_length=1, max_length=200)]
Letters = Annotated[str, Field(pattern=r"^[A-Z*]+$")]
Position = Annotated[int, Field(ge=1, le=100_000)]
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
    metric: Metric = Field(
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
