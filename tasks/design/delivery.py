"""A finished design run as files: tables, attrition, failed items, manifest, page.

Rows pass through in batches. Designs are sorted by rank as long as there are at most `SORTED`; a
larger set stays in the order of the items, with the rank as a column.
"""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import chain

import pandas as pd
from pydantic import Field

from blocks.storage import TableWriter, read_table
from tasks import attrition
from tasks.design.remote_delivery import write_structures
from tasks.items import Items, column_names, empty, iter_load, load
from tasks.parameters import Record
from tasks.results import RunFolder, append_csv, flat_columns
from tasks.sequence_files import fasta_text

SORTED = 1_000_000


class DesignResult(Record):
    """What a run of `design` returns."""

    folder: str = ""
    """Where the results lie; "" after a dry run."""
    page: str = ""
    items: int = 0
    kept: int = 0
    dropped: int = 0
    failed: int = 0
    computed: int = 0
    """Predictions computed in this run."""
    cached: int = 0
    """Predictions answered by the store or by a cached stage."""
    requests: int = 0
    """Requests sent to remote models, by generators too."""
    digests: dict[str, str] = Field({})
    """SHA-256 of each table."""
    inputs: dict[str, str] = Field({})
    """SHA-256 of each file that was read, by its URI."""
    lost: dict[str, int] = Field({})
    """Lost items by stage and rule."""
    versions: dict[str, str] = Field({})
    notes: tuple[str, ...] = ()
    plan: tuple[dict[str, str], ...] = ()
    """What a run would do, after a dry run."""


@dataclass(frozen=True, slots=True)
class StageRow:
    """One line of the plan and of the page's table of stages."""

    stage: str
    uses: str
    needs: str
    items: int
    cached: int
    computed: int
    seconds: float = 0.0
    exact: bool = True
    """Whether the figures are what a run does, or bounds."""
    requests: int = 0
    """Requests to a remote model."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How every item of a run ended."""

    items: pd.DataFrame
    """`item`, `source`, `outcome` (kept, dropped, failed), `lost_at`; sorted by item."""
    losses: pd.DataFrame
    """The first loss of each item that was lost; `attrition.LOSS_COLUMNS`."""
    funnel: pd.DataFrame

    @property
    def counts(self) -> dict[str, int]:
        """Number of items by outcome."""
        counts = self.items["outcome"].value_counts()
        return {name: int(counts.get(name, 0)) for name in ("kept", "dropped", "failed")}


def outcome_of(items: Items, stages: Sequence[str]) -> Outcome:
    """The end of every item; `stages` in the order in which they run.

    Raises:
        SeqloomError: Kept, dropped and failed do not add up to all items.
    """
    every = load(items, ["source"], alive=False)
    losses = attrition.first_losses([read_table(table) for table in items.losses])
    by_item = losses.set_index("item")
    ended = by_item["outcome"].reindex(every["item"])
    every["outcome"] = ended.fillna("kept").to_numpy()
    every["lost_at"] = by_item["stage"].reindex(every["item"]).fillna("").to_numpy()
    kept = every.loc[every["outcome"] == "kept", "item"].to_numpy()
    attrition.check_sums(len(every), len(kept), losses)
    funnel = attrition.funnel(every[["item", "source"]], losses, list(stages))
    return Outcome(every, losses, funnel)


def lost_by_reason(losses: pd.DataFrame) -> dict[str, int]:
    """How many items each rule dropped, and how many failed in each stage."""
    dropped = losses["outcome"] == "dropped"  # reasons of failures are as many as failures
    said = losses["rule"].where(losses["rule"] != "", losses["reason"]).where(dropped, "failed")
    counts = (losses["stage"] + ": " + said).value_counts()
    return {str(name): int(count) for name, count in counts.items()}


def write_tables(
    folder: RunFolder, items: Items, outcome: Outcome, chains: Sequence[str]
) -> pd.DataFrame:
    """All tables of the run; the designs that were kept, best first."""
    columns = column_names(items)
    _write_all(folder, items, outcome, columns)
    designs = _write_designs(folder, items, [c for c in columns if c != "digest"])
    folder.parquet("attrition.parquet", _named(outcome.losses, items))
    failed = outcome.losses[outcome.losses["outcome"] == "failed"]
    if len(failed):
        folder.csv("failed.csv", _failed(failed, items, chains))
    folder.parquet("tables/funnel.parquet", outcome.funnel)
    return designs


def _write_all(folder: RunFolder, items: Items, outcome: Outcome, columns: list[str]) -> None:
    by_item = outcome.items.set_index("item")[["outcome", "lost_at"]]
    with closing(TableWriter(folder.file("tables/all.parquet"))) as parquet:
        for frame in iter_load(items, columns, alive=False):
            parquet.write(frame.assign(**by_item.loc[frame["item"]].reset_index(drop=True)))


def _write_designs(folder: RunFolder, items: Items, columns: list[str]) -> pd.DataFrame:
    """Kept items as CSV, FASTA and Parquet; all of them are returned, or the first `SORTED`."""
    batches = iter_load(items, columns)
    first: list[pd.DataFrame] = []
    for frame in batches:
        first.append(frame)
        if sum(map(len, first)) > SORTED:
            break
    designs = pd.concat(first, ignore_index=True)
    complete = len(designs) <= SORTED
    if complete and "rank" in designs:
        designs = designs.sort_values(["rank", "item"], ignore_index=True)
    designs = write_structures(folder, designs)
    flat = flat_columns(designs.drop(columns="item"))
    with (
        folder.file("designs.csv").open("wb") as csv_file,
        folder.file("designs.fasta").open("w", encoding="utf-8") as fasta,
        closing(TableWriter(folder.file("tables/designs.parquet"))) as parquet,
    ):
        for number, frame in enumerate(chain([designs], () if complete else batches)):
            parquet.write(frame)
            append_csv(csv_file, frame[flat], header=number == 0)
            fasta.writelines(fasta_text(frame["id"].tolist(), frame["sequence"].tolist()))
    return designs


def _named(losses: pd.DataFrame, items: Items) -> pd.DataFrame:
    ids = load(items, ["id"], alive=False).set_index("item")["id"]
    named = losses.copy()
    named.insert(1, "id", ids.reindex(losses["item"]).to_numpy())
    return named


def _failed(failed: pd.DataFrame, items: Items, chains: Sequence[str]) -> pd.DataFrame:
    """The failed items with the columns they came with, where they failed, and why."""
    own = {"item", "digest", "source", "length", *(["sequence"] if chains else [])}
    given = dict.fromkeys(column for table in items.rows for column in table.columns)
    rows = load(items, [c for c in given if c not in own], alive=False).set_index("item")
    sheet = rows.loc[failed["item"]].reset_index(drop=True)
    return sheet.assign(failed_at=failed["stage"].to_numpy(), reason=failed["reason"].to_numpy())


def numeric_columns(items: Items) -> list[str]:
    """Columns of numbers, for distributions."""
    columns = empty(items).drop(columns="item").select_dtypes("number").columns
    return [str(column) for column in columns]


def write_run_info(
    folder: RunFolder,
    params: Mapping[str, object],
    rows: Sequence[StageRow],
    versions: Mapping[str, str],
) -> None:
    """Parameters, plan, versions and timing, so that the run can be understood and repeated."""
    folder.json("pipeline_info/params.json", params)
    folder.json("pipeline_info/plan.json", [asdict(row) for row in rows])
    folder.versions(versions)
    trace = pd.DataFrame([asdict(row) for row in rows])
    folder.csv("pipeline_info/execution_trace.tsv", trace, separator="\t")
    folder.multiqc("stages", "Stages of the design run", trace)
