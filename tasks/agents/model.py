"""Parameters of a review; the form in the Prefect UI is made from these."""

import re
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from blocks.errors import InputError
from tasks.expression import compile_expression
from tasks.item_input import ItemInput
from tasks.parameters import Params
from tasks.text.patterns import KINDS, Kind

MOST_ROWS = 200_000
"""Of one table; its records are in memory."""
DataType = Literal["user_messages", "json_objects", "text_samples", "numeric_data"]
Complexity = Literal["simple", "medium", "complex"]
Naming = Literal["keep", "flat", "snake", "camel"]


class TableFile(Params):
    """A table of results: CSV, TSV, Parquet or JSONL."""

    name: str = Field(
        title="Name",
        description="what the summary calls it",
        pattern=r"^[A-Za-z][A-Za-z0-9 _-]{0,39}$",
    )
    source: str = Field(title="File", description="path or URI (s3://…)", min_length=1)
    id: str = Field("", title="Id", description="column that names a row; empty: id, name, …")
    best: str = Field("", title="Best by", description="column by which rows are told as the best")
    goal: Literal["maximise", "minimise"] = Field("maximise", title="Goal")
    columns: tuple[str, ...] = Field(
        (), title="Columns", description="told of the best rows; none: some that hold numbers"
    )
    about: str = Field("", title="About", description="what a row is, such as variant; for texts")


class Generated(Params):
    """Records that are made up, always the same for a seed."""

    data: DataType = Field("user_messages", title="Data", description="what is made up")
    complexity: Complexity = Field(
        "medium", title="Complexity", description="how many sentences a text has"
    )
    count: int = Field(0, title="Count", description="records; 0: none", ge=0, le=10_000)
    seed: int = Field(1, title="Seed", description="same seed, same records", ge=0, lt=2**63)


class ExtractParams(Params):
    """What the first processor looks for in texts."""

    kinds: tuple[Kind, ...] = Field(KINDS, title="Kinds", description="that a pattern finds")
    terms: tuple[str, ...] = Field(
        (), title="Terms", description="words of one's own, found as whole words", max_length=10_000
    )
    ask_for: tuple[str, ...] = Field(
        (), title="Ask for", description="kinds that a model is asked for, if there is one"
    )


class TransformParams(Params):
    """What the second processor makes of records."""

    naming: Naming = Field(
        "snake",
        title="Names of fields",
        description="flat: nested ones as a.b; snake: as_this; camel: asThis",
    )
    lower: tuple[str, ...] = Field(
        (), title="Lower case", description="fields whose texts are put in lower case"
    )
    units: bool = Field(
        True,
        title="Units",
        description="quantities such as `5 mg/mL` become a number in a base unit",
    )


class Rule(Params):
    """What has to hold for every record of a table."""

    table: str = Field("", title="Table", description="its name; empty: every table with the field")
    field: str = Field("", title="Field", description="empty with a condition")
    needed: bool = Field(False, title="Needed")  # Prefect drops a field called `required`
    unique: bool = Field(False, title="Unique")
    min: float | None = Field(None, title="At least")
    max: float | None = Field(None, title="At most")
    pattern: str = Field("", title="Pattern", description="regular expression of the whole text")
    choices: tuple[str, ...] = Field((), title="Choices")
    condition: str = Field("", title="Condition", description="over columns: `start < end`")

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        checks = (self.pattern, self.choices, self.condition, self.needed, self.unique)
        if not any(checks) and self.min is None and self.max is None:
            raise ValueError("a rule that asks for nothing; expected needed, unique, min, …")
        if bool(self.field) == bool(self.condition):
            raise ValueError("expected a field, or a condition")
        return self

    @field_validator("pattern")
    @classmethod
    def _is_a_pattern(cls, text: str) -> str:
        try:
            re.compile(text)
        except re.error as error:
            raise ValueError(f"pattern {text!r}: {error}; expected a regular expression") from None
        return text

    @field_validator("condition")
    @classmethod
    def _is_a_condition(cls, text: str) -> str:
        try:
            if text and not compile_expression(text).is_condition:
                raise ValueError(f"{text!r} gives no truth value; expected a condition")
        except InputError as error:
            raise ValueError(str(error)) from None
        return text


class SynthesisParams(Params):
    """What the summary tells."""

    sentences: int = Field(24, title="Sentences", description="at most", ge=1, le=200)
    best_rows: int = Field(3, title="Best rows", description="of each ranked table", ge=0, le=20)
    instructions: str = Field("", title="Instructions", description="more words for the model")
    max_tokens: int = Field(1500, title="Longest answer", description="tokens", ge=1, le=1_000_000)


class ModelUse(Params):
    """Which language model writes and reads along; without one everything works offline."""

    connection: str = Field(
        "",
        title="Connection",
        description="block of a language model, or `environment`; empty: none, works offline",
    )
    calls: int | None = Field(None, title="Calls", description="at most", ge=1)
    tokens: int | None = Field(None, title="Tokens", description="at most", ge=1)
    cost: float | None = Field(None, title="Cost [USD]", description="at most", gt=0)


class PerformanceParams(Params):
    """How far back the analysis of times looks."""

    runs: int = Field(50, title="Runs", description="earlier ones of this pipeline", ge=0, le=1_000)


class ReviewParams(Params):
    """A review: which records and tables, what the agents do with them, which model helps."""

    title: str = Field("", title="Title", description="of the summary; empty: by its sources")
    records: ItemInput = Field(
        ItemInput(), title="Records", description="notes, messages, JSON objects"
    )
    runs: tuple[str, ...] = Field(
        (),
        title="Runs",
        description="folders of finished runs, such as design/latest or a path; their tables",
        max_length=20,
    )
    tables: tuple[TableFile, ...] = Field((), title="Tables", max_length=50)
    generated: Generated = Field(Generated(), title="Generated records")
    extract: ExtractParams = Field(ExtractParams(), title="Extract")
    transform: TransformParams = Field(TransformParams(), title="Transform")
    rules: tuple[Rule, ...] = Field((), title="Rules", description="that records are checked by")
    synthesis: SynthesisParams = Field(SynthesisParams(), title="Synthesis")
    performance: PerformanceParams = Field(PerformanceParams(), title="Performance")
    model: ModelUse = Field(ModelUse(), title="Language model")
    dry_run: bool = Field(False, title="Dry run", description="only check and show the plan")
    refresh: bool = Field(False, title="Refresh", description="take nothing from the caches")

    @model_validator(mode="after")
    def _has_something_to_read(self) -> Self:
        if not (self.records.given or self.runs or self.tables or self.generated.count):
            raise ValueError("nothing to review; expected records, runs, tables or generated.count")
        names = [one.name.casefold() for one in self.tables]
        twice = next((one for one in names if names.count(one) > 1), None)
        if twice is not None:
            raise ValueError(f"table {twice!r} is there twice; expected each name once")
        return self
