"""Agents read notes and tables of results side by side and write a summary whose numbers hold.

read → extract ∥ transform ∥ analyse ∥ validate → synthesise → performance. Everything works
offline; with a language model it writes the summary and finds more, and what it says is checked.
What an agent does stands in `tasks.agents`.
"""

from datetime import UTC, datetime

import pandas as pd

from blocks.masking import mask
from blocks.settings import settings
from tasks.agents import stages
from tasks.agents.delivery import deliver
from tasks.agents.model import ReviewParams
from tasks.agents.outcome import ReviewResult
from tasks.agents.planning import Prepared, plan_frame, prepare, read_all
from tasks.announcing import announce_link, announce_markdown, announce_table
from tasks.policies import WaitedFor, finished, given_params, pipeline, run_logger, start
from tasks.results import require_writable


def run_name() -> str:
    """Name of a run in the UI: what is reviewed."""
    given = given_params()
    source = str((given.get("records") or {}).get("source") or "").rstrip("/").rsplit("/", 1)[-1]
    parts = [
        *(given.get("runs") or ()),
        *(one["name"] for one in given.get("tables") or ()),
        source,
    ]
    name = str(given.get("title") or "-".join(filter(None, parts)) or "records")
    plain = "-".join("".join(c if c.isalnum() else " " for c in name).split()).lower()[:60]
    return f"review-{plain}" + ("-plan" if given.get("dry_run") else "")


@pipeline("agents", flow_run_name=run_name, workers=4)
def review(params: ReviewParams) -> ReviewResult:
    """Review records and tables; see the README for what comes out."""
    started = datetime.now(UTC)
    run = prepare(params)
    if params.dry_run:
        text, frame = _planned(run)
        announce_table("agents-plan", "What this run would do", frame)
        run_logger().info("%s\nNothing was written:\n%s", text, frame.to_string(index=False))
        return ReviewResult(title=run.title, plan=tuple(frame.to_dict("records")))
    require_writable(settings().results)
    frame = plan_frame(run, {})
    announce_table("agents-plan", "What this run does", frame)
    ended = finished(_started(run))
    measured = stages.measure.with_options(task_run_name="performance")(params.performance.runs)
    write = deliver.with_options(task_run_name="write results")
    done = write(run, ended, measured, plan=frame, started=started)
    announce_markdown("agents-summary", "The summary", str(mask(done.text)))
    announce_link("agents-page", "The page of this run", done.result.page)
    return done.result


def plan(params: ReviewParams) -> tuple[str, pd.DataFrame]:
    """What a run would do, as text and table; the tables are read, nothing is stored or asked."""
    return _planned(prepare(params))


def _planned(run: Prepared) -> tuple[str, pd.DataFrame]:
    rows = {name: len(table.rows) for name, table in read_all(run).items()}
    return run.told, plan_frame(run, rows)


def _started(run: Prepared) -> dict[str, WaitedFor]:
    """All agents, each waiting for what it needs."""
    params = run.params
    asked: dict[str, object] = {"model": params.model} if params.model.connection else {}

    def begin(stage: stages.Stage, name: str, **given: object) -> WaitedFor:
        return start(stage, name, given, params.refresh)

    read = begin(
        stages.read, "read", sources=run.sources, records=params.records,
        made_up=params.generated, rules=params.rules,
    )  # fmt: skip
    if asked and params.extract.ask_for:
        find = begin(
            stages.extract_with_model, "extract", gathered=read, params=params.extract, **asked
        )
    else:
        find = begin(stages.extract, "extract", gathered=read, params=params.extract)
    processed = {
        "extract": find,
        "transform": begin(stages.transform, "transform", gathered=read, params=params.transform),
        "analyse": begin(stages.analyse, "analyse", gathered=read),
        "validate": begin(stages.validate, "validate", gathered=read, rules=params.rules),
    }
    given = {
        "gathered": read,
        "processed": tuple(processed.values()),
        "params": params.synthesis,
    }
    if asked:
        write = begin(stages.synthesise_with_model, "synthesise", **given, **asked, title=run.title)
    else:
        write = begin(stages.synthesise, "synthesise", **given)
    return {"read": read, **processed, "synthesise": write}
