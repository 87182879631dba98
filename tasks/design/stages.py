"""The stages of a design run as Prefect tasks: read, call what computes, write, count.

Beside it only `planning` and `conclusion` know Prefect, and `scoring` the prediction store.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from prefect import Task

from blocks.prediction_key import sequence_digests
from blocks.programs import run_program
from blocks.settings import settings
from blocks.storage import FileRef, Storage, Table, iter_table, open_uri
from blocks.work_folder import work_folder
from tasks import attrition
from tasks.design import (
    diversity,
    filter_params,
    filters,
    generators,
    local_predictor,
    ranking,
    scoring,
)
from tasks.design.cluster_params import IdentityParams
from tasks.design.column_names import RANK_COLUMNS
from tasks.design.local_predictor import LocalPredictor
from tasks.design.mmseqs import mmseqs_argv
from tasks.design.model import (
    ClusterStage,
    DiversityStage,
    FilterStage,
    GenerateStage,
    PredictStage,
    ProfileStage,
    RankStage,
    SequenceInput,
)
from tasks.design.profile import build_profile
from tasks.design.remote_model import NOTES
from tasks.design.scoring import Predictor
from tasks.design.sequence_clusters import cluster_sequences
from tasks.design.vector_clusters import cluster_present
from tasks.design.verdicts import rank_verdict
from tasks.items import ITEMS_PER_SOURCE, Counts, Items, StageResult, load, union
from tasks.policies import compute, external_tool, run_logger
from tasks.sequence_files import read_sequences
from tasks.sequences import Layout, from_list, numbers_and_texts

PROGRAM_LIMIT_S = 6 * 3_600
"""Longest that an external program may take [s]."""
FILTER_CODE = (
    "tasks.attrition",
    "tasks.column_values",
    "tasks.expression",
    "tasks.expression_functions",
    "tasks.expression_grammar",
    "tasks.design.filter_params",
    "tasks.design.filters",
    "tasks.design.residues",
    "tasks.design.selection",
    "tasks.design.similarity",
    "tasks.design.verdicts",
)
SEQUENCE_CLUSTER_CODE = (
    "tasks.design.cluster_params",
    "tasks.design.clusters",
    "tasks.design.mmseqs",
    "tasks.design.sequence_clusters",
)
CLUSTER_CODE = ("tasks.attrition", *SEQUENCE_CLUSTER_CODE, "tasks.design.vector_clusters")
StageTask = Task[..., StageResult]


def storage() -> Storage:
    """The run's storage root."""
    return Storage(settings().storage)


@compute("tasks.sequences", "tasks.sequence_files")
def load_input(
    source: FileRef | None, given: SequenceInput, taken: list[str], gaps: bool
) -> StageResult:
    """Read and check sequences; their rows, in their order.

    Args:
        source: The file, or None where `given` lists the sequences.
        taken: Columns that the run gives itself; those of the input become `input_<name>`.
        gaps: Whether the sequences may be aligned.
    """
    layout = Layout(given.alphabet, given.id_column, given.sequence_column, given.chains, gaps)
    own = {"id", "description", "sequence"}
    renamed = {name: f"input_{name}" for name in taken if name not in own}
    numbers: set[str] = set()
    texts: set[str] = set()
    with _frames(source, given, layout) as frames, storage().table_writer() as (writer, done):
        for frame in frames:
            rows = as_items(_without_clash(frame, renamed), "input", writer.rows)
            writer.write(rows)
            found = numbers_and_texts(rows)
            numbers, texts = numbers | found[0], texts | found[1]
    table = done[0]
    if numeric := sorted(numbers - texts):
        table = _with_numbers(table, numeric)
    run_logger().info("input: %d sequences", table.rows)
    return StageResult(stage="input", items=Items(rows=(table,)), counts=_all_out(table.rows))


def _without_clash(frame: pd.DataFrame, renamed: dict[str, str]) -> pd.DataFrame:
    """The frame with columns renamed, and `_` behind a new name that another column has."""
    names: dict[str, str] = {}
    for old in (name for name in renamed if name in frame):
        new = renamed[old]
        while new in frame or new in names.values():
            new += "_"
        names[old] = new
    return frame.rename(columns=names)


@contextmanager
def _frames(
    source: FileRef | None, given: SequenceInput, layout: Layout
) -> Iterator[Iterable[pd.DataFrame]]:
    """The input in frames, one after the other, so that it never is in memory as a whole."""
    if source is None:
        yield [from_list(given.sequences, layout)]
        return
    with open_uri(source.uri) as file:
        yield read_sequences(file, given.source, given.format, layout)


def _with_numbers(table: Table, columns: list[str]) -> Table:
    """The table with text columns of numbers as numbers; empty cells become NaN."""
    with storage().table_writer() as (writer, done):
        for frame in iter_table(table):
            numbers = {
                column: pd.to_numeric(frame[column].str.strip(), errors="coerce").astype(float)
                for column in columns
            }
            writer.write(frame.assign(**numbers))
    return done[0]


@compute("tasks.design.profile")
def make_profile(stage: ProfileStage, homologs: StageResult, without: str) -> StageResult:
    """A profile HMM of the homologs; `without` is a sequence to leave out, or ""."""
    rows = load(homologs.items, ["id", "sequence"])
    if without:
        rows = rows[rows["sequence"] != without]
    profile = build_profile(list(zip(rows["id"], rows["sequence"], strict=True)), stage.name)
    table = storage().write_table(
        pd.DataFrame(
            {
                "hmm": [profile.hmm.decode("ascii")],
                "alignment": [profile.alignment],
                "effective_sequences": [profile.effective_sequences],
            }
        )
    )
    run_logger().info(
        "%s: profile of %d homologs (%.1f effective)",
        stage.name,
        len(rows),
        profile.effective_sequences,
    )
    return StageResult(stage=stage.name, artifact=table, counts=_all_out(len(rows)))


@compute(*generators.MODULES)
def generate(
    stage: GenerateStage, needs: list[StageResult], parent: str, seed: int, ordinal: int
) -> StageResult:
    """New sequences; `ordinal` is the source's place in the run, which numbers its items."""
    made = generators.generate(
        stage.with_, parent=parent or None, profile=local_predictor.profile_of(needs), seed=seed
    )
    return as_source(stage, made, ordinal)


def as_source(stage: GenerateStage, made: pd.DataFrame, ordinal: int) -> StageResult:
    """The rows of a generator as items of the run."""
    notes: list[str] = made.attrs.get(NOTES, [])
    made = made.rename(columns={"score": "generator_score"})
    made.insert(0, "id", [f"{stage.name}-{n:06d}" for n in range(1, len(made) + 1)])
    wanted = generators.wanted(stage.with_)
    if wanted is not None and len(made) < wanted:
        notes = [*notes, f"{stage.name}: {len(made)} distinct variants found, {wanted} asked for"]
    table = storage().write_table(as_items(made, stage.name, ordinal * ITEMS_PER_SOURCE))
    run_logger().info("%s: %d variants", stage.name, len(made))
    for note in notes:
        run_logger().warning("%s", note)
    return StageResult(
        stage=stage.name,
        items=Items(rows=(table,)),
        counts=_all_out(len(made)),
        notes=tuple(notes),
    )


@compute(*local_predictor.MODULES)
def predict(
    stage: PredictStage,
    needs: list[StageResult],
    parent: str,
    version: str,  # noqa: ARG001 -- the model's, part of the cache key
    stop_on_error: bool,
) -> StageResult:
    """The model's columns for each item, from the store where it knows them."""
    model = LocalPredictor(stage, parent, local_predictor.profile_of(needs))
    return scored(stage, needs, model, stop_on_error)


def scored(
    stage: PredictStage, needs: list[StageResult], predictor: Predictor, stop_on_error: bool
) -> StageResult:
    """The columns of a predict stage, with what it lost and counted."""
    items = union(need.items for need in needs)
    made = scoring.score(stage.name, items, predictor, stop_on_error)
    failed = len(made.losses)
    run_logger().info(
        "%s: %d items, %d distinct, %d from the store, %d computed, %d failed",
        stage.name, made.count, made.cached + made.computed, made.cached, made.computed, failed,
    )  # fmt: skip
    return StageResult(
        stage=stage.name,
        items=items.plus(columns=made.columns, losses=_stored(made.losses)),
        artifact=made.further,
        counts=Counts(
            items_in=made.count,
            items_out=made.count - failed,
            items_failed=failed,
            cached=made.cached,
            computed=made.computed,
        ),
    )


@compute(*FILTER_CODE)
def filter_items(
    stage: FilterStage, needs: list[StageResult], parent: str, seed: int
) -> StageResult:
    """The items that fulfil the rule; all others keep the rule, their value and the margin."""
    items = union(need.items for need in needs)
    table = load(items, sorted(filter_params.columns_needed(stage.with_)))
    verdict = filters.apply_filter(stage.with_, table, parent=parent or None, seed=seed)
    columns = None
    if verdict.columns:
        columns = storage().write_table(table[["item"]].assign(**verdict.columns))
    losses = attrition.losses_from_verdict(stage.name, table["item"].to_numpy(), verdict)
    run_logger().info("%s: %d of %d kept", stage.name, verdict.keep.sum(), len(table))
    return StageResult(
        stage=stage.name,
        items=items.plus(columns=columns, losses=_stored(losses)),
        counts=_after_drop(verdict.keep),
    )


@compute(*CLUSTER_CODE)
def cluster(stage: ClusterStage, needs: list[StageResult], seed: int) -> StageResult:
    """A cluster number for each item, and which item stands for its cluster."""
    return _clustered(stage, needs, seed, None)


@external_tool(*CLUSTER_CODE)
def cluster_by_program(
    stage: ClusterStage,
    needs: list[StageResult],
    seed: int,
    version: str,  # noqa: ARG001 -- part of the cache key
) -> StageResult:
    """As `cluster`, by MMseqs2 where the set is large enough.

    Args:
        version: The program's; another version is another result.
    """

    def mmseqs(fasta: str) -> str:
        assert isinstance(stage.with_, IdentityParams)  # noqa: S101 -- the only one that calls it
        with work_folder() as folder:
            given, made = folder / "given.fasta", folder / "made"
            given.write_text(fasta, encoding="ascii")
            argv = mmseqs_argv(given, made, folder / "tmp", stage.with_)
            run_program(argv, timeout_s=PROGRAM_LIMIT_S)
            return made.with_name("made_cluster.tsv").read_text(encoding="ascii")

    return _clustered(stage, needs, seed, mmseqs)


def _clustered(
    stage: ClusterStage,
    needs: list[StageResult],
    seed: int,
    mmseqs: Callable[[str], str] | None,
) -> StageResult:
    items = union(need.items for need in needs)
    if isinstance(stage.with_, IdentityParams):
        table = load(items, ["sequence"])
        clusters = cluster_sequences(stage.with_, table["sequence"].tolist(), mmseqs)
    else:
        table = load(items, [stage.vectors])
        clusters = cluster_present(stage.with_, table[stage.vectors].tolist(), seed)
    chosen = f"{stage.name}_representative"
    slab = table[["item"]].assign(**{stage.name: clusters.label, chosen: clusters.representative})
    keep = clusters.representative | (not stage.representatives_only)
    losses = attrition.losses_from_failures(
        stage.name, table["item"].to_numpy()[~keep], ["not a representative"], dropped=True
    )
    run_logger().info("%s: %d items, %d clusters", stage.name, len(table), clusters.number)
    return StageResult(
        stage=stage.name,
        items=items.plus(columns=storage().write_table(slab), losses=_stored(losses)),
        artifact=storage().write_table(pd.DataFrame({"silhouette": [clusters.silhouette]})),
        counts=_after_drop(keep),
    )


@compute("tasks.design.diversity", *SEQUENCE_CLUSTER_CODE)
def measure_diversity(stage: DiversityStage, needs: list[StageResult], seed: int) -> StageResult:
    """Figures of how different the items are."""
    items = union(need.items for need in needs)
    sequences = load(items, ["sequence"])["sequence"].tolist()
    report = diversity.measure(sequences, stage.with_, seed)
    figures = pd.DataFrame({"json": [report.model_dump_json()]})
    return StageResult(
        stage=stage.name,
        items=items,
        artifact=storage().write_table(figures),
        counts=_all_out(len(sequences)),
    )


@compute("tasks.attrition", "tasks.design.ranking", "tasks.design.verdicts")
def rank(stage: RankStage, needs: list[StageResult]) -> StageResult:
    """The items' order; with `top`, only the first ones."""
    items = union(need.items for need in needs)
    table = load(items, sorted({"id", *ranking.columns_needed(stage.with_)}))
    ranked = ranking.rank(table, stage.with_).sort_values("item", ignore_index=True)
    ranked = ranked.rename(columns={"score": "rank_score"})
    limit = stage.with_.top or len(ranked)
    keep = (ranked["rank"] <= limit).to_numpy()
    losses = attrition.losses_from_verdict(
        stage.name, ranked["item"].to_numpy(), rank_verdict(ranked["rank"], limit)
    )
    slab = storage().write_table(ranked[["item", *RANK_COLUMNS]])
    run_logger().info("%s: %d of %d ranked items kept", stage.name, keep.sum(), len(ranked))
    return StageResult(
        stage=stage.name,
        items=items.plus(columns=slab, losses=_stored(losses)),
        counts=_after_drop(keep),
    )


def as_items(rows: pd.DataFrame, source: str, first: int) -> pd.DataFrame:
    """Rows with their numbers, digests and the name of their source."""
    start = (
        {"description": pd.Series([""] * len(rows), dtype=str)} if "description" not in rows else {}
    )
    rows = rows.assign(
        **start,
        length=rows["sequence"].str.len().astype(np.int64),
        digest=pd.Series(sequence_digests(rows["sequence"].tolist()), dtype=str),
        source=pd.Series([source] * len(rows), dtype=str),
    )
    rows.insert(0, "item", np.arange(first, first + len(rows), dtype=np.int64))
    return rows


def _stored(losses: pd.DataFrame) -> Table | None:
    return storage().write_table(losses) if len(losses) else None


def _all_out(count: int) -> Counts:
    return Counts(items_in=count, items_out=count, computed=count)


def _after_drop(keep: NDArray[np.bool_]) -> Counts:
    kept = int(keep.sum())
    return Counts(
        items_in=len(keep), items_out=kept, items_dropped=len(keep) - kept, computed=len(keep)
    )
