"""What the stages of a review hand to each other, and what a run returns."""

from pydantic import Field, JsonValue

from blocks.storage import FileRef, Table
from tasks.items import StageResult
from tasks.parameters import Record


class Described(Record):
    """A table of a review, and how it is spoken of."""

    name: str
    """What the summary calls it."""
    origin: str
    """Path or URI, or how it was made."""
    pipeline: str = ""
    """The pipeline whose run wrote it, "" for others."""
    id: str = ""
    best: str = ""
    goal: str = "maximise"
    columns: tuple[str, ...] = ()
    about: str = ""

    def told(self) -> list[object]:
        """What decides how it is spoken of, besides its name."""
        return [self.pipeline, self.id, self.best, self.goal, self.columns, self.about]


class SourceRef(Described):
    """A table that a review reads, before it is read."""

    file: FileRef | None = None
    """The file; None where the records stand in the parameters or are made up."""
    kind: str = ""
    """jsonl, csv, tsv, parquet."""

    def identity(self) -> list[object]:
        """What is read and what it is called; not where it lies."""
        content = self.file.digest if self.file else self.origin
        return [self.name, content, self.kind, *self.told()]


class Sheet(Described):
    """A table that was read: its records as JSON lines."""

    lines: FileRef
    rows: int

    def identity(self) -> list[object]:
        """What it holds and what it is called."""
        return [self.name, self.lines.digest, *self.told()]


class Gathered(StageResult):
    """The tables of a review."""

    sheets: tuple[Sheet, ...] = ()

    def identity(self) -> list[object]:
        """The tables."""
        return [one.identity() for one in self.sheets]


class Processed(StageResult):
    """What one processor found out, as tables by their names."""

    tables: dict[str, Table] = Field({})
    """Those that have no rows are not there."""
    lines: dict[str, FileRef] = Field({})
    """Records that it wrote, as JSON lines, by table."""
    confidence: float = 0.0
    """From 0 to 1; what it means is told with each agent."""
    degraded: str = ""
    """Why a model's part was done without one; "" where nothing is missing."""
    model: str = ""
    """The model that helped."""

    def identity(self) -> list[object]:
        """What was found out."""
        tables = sorted((name, one.digest) for name, one in self.tables.items())
        return [tables, sorted((name, one.digest) for name, one in self.lines.items())]


class Summarised(StageResult):
    """The summary, as JSON of `tasks.agents.checking.Summary`."""

    summary: FileRef
    confidence: float = 0.0
    degraded: str = ""
    model: str = ""

    def identity(self) -> list[object]:
        """What it says."""
        return [self.summary.digest]


class Performance(Record):
    """How long this run and its stages took, and earlier ones."""

    stages: tuple[dict[str, JsonValue], ...] = ()
    history: tuple[dict[str, JsonValue], ...] = ()
    runs: dict[str, JsonValue] = Field({})


class ReviewResult(Record):
    """What a run of `agents` returns."""

    title: str = ""
    folder: str = ""
    """Where the results lie; "" after a dry run."""
    page: str = ""
    summary: str = ""
    """The summary in Markdown, as a file."""
    tables: int = 0
    records: int = 0
    sentences: int = 0
    """Of the summary."""
    numbers: int = 0
    """Numbers and names in the summary; each was found in the tables that its sentence cites."""
    dropped: int = 0
    """Sentences that were left out, because what they say was not found in the tables."""
    confidence: float = 0.0
    failed: int = 0
    """Records that break a rule with which they were checked."""
    degraded: bool = False
    notes: tuple[str, ...] = ()
    digests: dict[str, str] = Field({})
    inputs: dict[str, str] = Field({})
    versions: dict[str, str] = Field({})
    plan: tuple[dict[str, str], ...] = ()
