"""Parameters of a watch over files, and what a look at them comes to."""

from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from tasks.arrivals.templates import check_template
from tasks.parameters import Params, Record


class WatchParams(Params):
    """Which files, when they are whole, and how they become runs."""

    name: str = Field(
        "",
        title="Name",
        description="what is remembered belongs to this name and the folder; empty: the pipeline's",
        max_length=80,
    )
    place: str = Field(title="Folder", description="a folder, or s3://bucket/prefix", min_length=1)
    patterns: tuple[str, ...] = Field(
        ("*",),
        title="Patterns",
        description="of paths below the folder, as *.fasta; names such as *.part, *.tmp and .* "
        "never count",
        min_length=1,
    )
    recursive: bool = Field(False, title="Recursive", description="folders below, too")
    settle_s: float = Field(
        30,
        title="Settled for",
        description="a file counts when looks so far apart saw no change of size, time or ETag [s]",
        ge=0,
        le=86_400,
    )
    params: dict[str, JsonValue] = Field(
        title="Parameters",
        description="as the pipeline's form takes them; {file}, {name}, {stem}, {files} and "
        "{sheet} (a CSV of the files) in texts stand for the files of a run",
    )
    files: Literal["each", "together"] = Field(
        "each", title="Files", description="each: a run per file; together: a run for many"
    )
    batch: int = Field(
        100, ge=1, le=1_000, title="Batch", description="together: most files of a run"
    )
    sheet_column: str = Field(
        "fasta",
        title="Column of the sheet",
        description="that holds the file in {sheet}, beside `sample`",
        min_length=1,
    )
    most_runs: int = Field(
        50, ge=1, le=1_000, title="Most runs", description="started by one look; the rest wait"
    )
    for_s: float = Field(
        0, ge=0, le=86_400, title="Go on for", description="look again and again for so long [s]"
    )
    every_s: float = Field(
        10, gt=0, le=3_600, title="Every", description="how far apart these looks are [s]"
    )
    dry_run: bool = Field(
        False, title="Dry run", description="only say what waits; nothing is remembered"
    )

    @model_validator(mode="after")
    def _names_files(self) -> Self:
        check_template(self.params, together=self.files == "together")
        return self


class Seen(Record):
    """What a look, or several, came to."""

    watch: str
    files: int
    """That were there at the last look."""
    new: int
    """Versions of files that no look had seen."""
    waiting: int
    """Files that have not settled, or are more than `most_runs` allows."""
    started: int
    """Runs."""
    failed: int
    """Runs whose parameters do not fit, or that the server refused."""
