"""The agents as Prefect sees them: thin shells around the modules that compute.

`extract` and `synthesise` are there twice: offline they are cached like everything that computes;
with a language model they run each time, and the model's answers are kept one by one, so that a
model that was away is asked again by the next run.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from prefect import Task
from prefect.context import FlowRunContext

from blocks.kept_answers import KeptAnswers
from blocks.llm_budget import ModelLimits
from blocks.llm_models import LanguageModels
from blocks.settings import settings
from blocks.storage import Storage, read_bytes
from tasks.agents import analysis, extraction, performance, stored, transformation, validation
from tasks.agents.asking import Asked, asked
from tasks.agents.checking import Summary, checked, wilson_low
from tasks.agents.findings import Sentence, sentences
from tasks.agents.history import measured_steps, past_runs
from tasks.agents.model import (
    ExtractParams,
    Generated,
    ModelUse,
    Rule,
    SynthesisParams,
    TransformParams,
)
from tasks.agents.outcome import (
    Gathered,
    Performance,
    Processed,
    SourceRef,
    Summarised,
)
from tasks.agents.sources import read_records
from tasks.agents.table_data import TableData, lines_of, qualities, records_of
from tasks.agents.writing import written
from tasks.item_input import ItemInput
from tasks.model_connections import named_connections
from tasks.policies import compute, delivery, remote, run_logger
from tasks.run_origin import execution_id

Stage = Task[..., Any]
_DATA = ("tasks.agents.table_data",)
_TEXT = ("tasks.text.patterns", "tasks.text.words", "tasks.text.textrank")
_CHECK = ("tasks.text.numbers", "tasks.text.number_support", "tasks.text.patterns")


@compute("tasks.agents.sources", "tasks.agents.generated", "tasks.item_reading", *_DATA)
def read(
    sources: tuple[SourceRef, ...], records: ItemInput, made_up: Generated, rules: tuple[Rule, ...]
) -> Gathered:
    """Read all tables; what is wrong with them is told before anything else is done."""
    sheets, tables = [], {}
    for one in sources:
        items = read_records(one, records, made_up)
        tables[one.name] = stored.table_of(one, items)
        sheets.append(stored.sheet(one, items))
    validation.require_known(rules, tables)
    rows = sum(one.rows for one in sheets)
    run_logger().info("%d tables, %d records", len(sheets), rows)
    return Gathered(stage="read", sheets=tuple(sheets), counts=stored.counts(rows))


@compute("tasks.agents.extraction", *_TEXT, *_DATA)
def extract(gathered: Gathered, params: ExtractParams) -> Processed:
    """Entities, structure and telling sentences."""
    return _extracted(gathered, params, Asked([]))


@remote()
def extract_with_model(gathered: Gathered, params: ExtractParams, model: ModelUse) -> Processed:
    """The same, with mentions that a model finds."""
    texts = [
        text for one in stored.tables_of(gathered).values() for text in extraction.texts_of(one)
    ]
    with _models(model) as models:
        found = asked(models, model.connection, texts, params.ask_for)
    return _extracted(gathered, params, found)


def _extracted(gathered: Gathered, params: ExtractParams, more: Asked) -> Processed:
    tables = stored.tables_of(gathered)
    texts = [text for one in tables.values() for text in extraction.texts_of(one)]
    by_pattern = extraction.entities(texts, params.kinds, params.terms)
    entities = extraction.together(by_pattern, more.rows, list(tables))
    raw = {one.name: records_of(read_bytes(one.lines)) for one in gathered.sheets}
    structure = [row for name, found in raw.items() for row in extraction.structure(name, found)]
    proposed = extraction.claimed(texts, params.kinds) + more.said
    proposed += len(by_pattern) - sum(row["by"] == "pattern" for row in by_pattern)
    run_logger().info("%d texts, %d entities", len(texts), len(entities))
    telling = [
        row
        for name in tables
        for row in extraction.telling([one for one in texts if one.table == name])
    ]
    return stored.processed(
        "extract",
        gathered,
        {
            "entities": entities,
            "structure": structure,
            "text_figures": extraction.text_figures(texts),
            "telling": telling,
        },
        confidence=wilson_low(min(len(entities), proposed), proposed),
        degraded=more.degraded,
        model=more.model,
    )


@compute(
    "tasks.agents.transformation", "tasks.agents.quantities", "tasks.text.numbers",
    "tasks.text.patterns", *_DATA,
)  # fmt: skip
def transform(gathered: Gathered, params: TransformParams) -> Processed:
    """Uniform records."""
    storage = Storage(settings().storage)
    lines, changes = {}, []
    scores = []
    for name, table in stored.tables_of(gathered).items():
        made = transformation.transformed(table, params)
        lines[name] = storage.put_bytes(lines_of(made.rows), ".jsonl")
        changes += made.changes
        scores.append((made.completeness * made.consistency, len(table.rows)))
    run_logger().info("%d changes of columns", len(changes))
    found = stored.processed(
        "transform", gathered, {"changes": changes}, confidence=stored.mean(scores)
    )
    return found.model_copy(update={"lines": lines})


@compute("tasks.agents.analysis", *_DATA)
def analyse(gathered: Gathered) -> Processed:
    """Figures of columns, and what is odd."""
    tables = stored.tables_of(gathered).values()
    columns = [row for one in tables for row in analysis.column_figures(one)]
    odd = [row for one in tables for row in analysis.anomalies(one)]
    run_logger().info("%d columns, %d anomalies", len(columns), len(odd))
    scores = [(qualities(one)[1], len(one.rows)) for one in tables]
    made = {"column_figures": columns, "anomalies": odd}
    return stored.processed("analyse", gathered, made, confidence=stored.mean(scores))


@compute(
    "tasks.agents.validation", "tasks.expression", "tasks.expression_functions",
    "tasks.expression_grammar", *_DATA,
)  # fmt: skip
def validate(gathered: Gathered, rules: tuple[Rule, ...]) -> Processed:
    """Records that break rules, and how good the tables are."""
    tables = stored.tables_of(gathered)
    broken = validation.violations(rules, tables)
    quality = [validation.quality(one, broken) for one in tables.values()]
    bad = len({(row["table"], row["row"]) for row in broken})
    run_logger().info("%d rules, %d records break one", len(rules), bad)
    scores = [(float(row["validity"]), int(row["records"])) for row in quality]
    made = {"violations": broken, "quality": quality}
    return stored.processed("validate", gathered, made, confidence=stored.mean(scores), failed=bad)


@compute("tasks.agents.findings", "tasks.agents.checking", "tasks.agents.evidence", *_CHECK, *_DATA)
def synthesise(
    gathered: Gathered, processed: tuple[Processed, ...], params: SynthesisParams
) -> Summarised:
    """The summary without a model."""
    tables, offline = _offline(gathered, processed, params)
    return _summarised(checked(offline, tables), gathered)


@remote()
def synthesise_with_model(
    gathered: Gathered,
    processed: tuple[Processed, ...],
    params: SynthesisParams,
    title: str,
    model: ModelUse,
) -> Summarised:
    """The summary by a model, or the offline one if that fails."""
    tables, offline = _offline(gathered, processed, params)
    with _models(model) as models:
        summary = written(
            models, model.connection, title=title, offline=offline, tables=tables, params=params
        )
    if summary.degraded:
        run_logger().warning("no summary by the model: %s", summary.degraded)
    return _summarised(summary, gathered)


def _offline(
    gathered: Gathered, processed: Sequence[Processed], params: SynthesisParams
) -> tuple[Mapping[str, TableData], list[Sentence]]:
    sources, made = stored.tables_of(gathered), stored.made_tables(processed)
    said = sentences(list(sources.values()), list(made.values()), params)
    return {**sources, **made}, said


def _summarised(summary: Summary, gathered: Gathered) -> Summarised:
    """The summary with its confidence.

    Support times completeness times consistency: the lower end of the 95 % interval of the share
    of what was written that was found in the tables, the share of their cells that hold something,
    and the share of those that have the type of most of their column.
    """
    tables = stored.tables_of(gathered).values()
    scores = [
        (a * b, len(one.rows) * len(one.columns)) for one in tables for a, b in [qualities(one)]
    ]
    run_logger().info(
        "%d sentences, %d left out, %d numbers found", len(summary.kept), len(summary.dropped),
        summary.numbers,
    )  # fmt: skip
    content = summary.model_dump_json().encode()
    return Summarised(
        stage="synthesise",
        summary=Storage(settings().storage).put_bytes(content, ".json"),
        confidence=summary.support * stored.mean(scores),
        degraded=summary.degraded,
        model=summary.by,
        counts=stored.counts(
            len(summary.kept) + len(summary.dropped), dropped=len(summary.dropped)
        ),
        notes=summary.notes,
    )


@delivery
def measure(runs: int) -> Performance:
    """Times of this run so far, and of earlier ones; from the ledger."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return Performance()
    row = execution_id(context.flow_run)
    now, past = measured_steps(row), past_runs(runs, row)
    return Performance(
        stages=tuple(performance.stage_times(now)),
        history=tuple(performance.stage_history(now, past)),
        runs=performance.run_history(past),
    )


@contextmanager
def _models(use: ModelUse) -> Iterator[LanguageModels]:
    limits = ModelLimits(calls=use.calls, tokens=use.tokens, cost=use.cost)
    connections = named_connections([use.connection])
    with LanguageModels(connections, limits=limits, answers=KeptAnswers()) as models:
        yield models
