"""Graphs on Prefect: the engine in the flow, a task for each node that shows its state, a folder.

    flow ── engine ─┬─ chunk by chunk through all nodes
                    ├─ task "clean"     Running from the node's first call to its last one
                    ├─ task "classify"  ends as Completed, Cached, Skipped, Failed or Cancelled
                    └─ write results

Items never become tasks: a node's task waits for the engine and costs milliseconds, whatever the
number of items. What is done is stored by the engine every few seconds (`tasks.graphs.records`), so
a run that was killed goes on from there, and no task has to be tried again.
"""

import threading
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pandas as pd
from prefect.client.schemas.objects import State as RunState
from prefect.context import FlowRunContext
from prefect.futures import PrefectFuture, wait
from prefect.states import Cancelled, Completed, Failed
from prefect.utilities.annotations import quote

from blocks import ledger
from blocks.work_folder import work_folder
from tasks.announcing import announce_mermaid, announce_table
from tasks.graphs.accounts import node_metrics
from tasks.graphs.compiled import INPUT, Graph
from tasks.graphs.delivery import GraphResult, Occasion, deliver_folder
from tasks.graphs.mermaid import mermaid
from tasks.graphs.planning import Prepared
from tasks.graphs.run_page import nodes_frame
from tasks.graphs.running import Ended, execute
from tasks.graphs.tally import State, Tally
from tasks.policies import current_run, delivery, run_logger, shown
from tasks.progress import Progress
from tasks.recording import persistently
from tasks.run_origin import execution_id

TELL_S = 20.0
"""How often the table of nodes is shown while a run is under way."""


class Ending:
    """How a node ends, once it has."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._state: State = "CANCELLED"
        self._told = ""

    def set(self, state: State, told: str) -> None:
        """It has ended."""
        self._state, self._told = state, told
        self._event.set()

    def wait(self) -> tuple[State, str]:
        """Its state and what is to be said, when it has ended."""
        self._event.wait()
        return self._state, self._told


@shown
def node_state(name: str, ending: Ending) -> RunState[Any]:
    """Show a node for as long as the engine is at it."""
    state, told = ending.wait()
    run_logger().info("%s: %s", name, told)
    match state:
        case "FAILED":
            return Failed(message=told)
        case "CANCELLED":
            return Cancelled(message=told)
        case _:
            return Completed(name=state.title(), message=told)


class Teller:
    """Shows in the Prefect UI how far the nodes are."""

    def __init__(self, run: Prepared) -> None:
        self._graph = run.graph
        inside = [one.name for one in run.graph.nodes if one.stream == INPUT]
        self._seen = dict.fromkeys(inside, 0)
        self._progress = Progress(run.name, max(run.source.survey.items * len(inside), 1))
        self._endings: dict[str, Ending] = {}
        self._futures: list[PrefectFuture[Any]] = []
        self._tallies: dict[str, Tally] = {}
        self._told = time.monotonic()

    def began(self, node: str) -> None:
        """Begin to show a node."""
        if node not in self._endings:
            self._endings[node] = Ending()
            task = node_state.with_options(task_run_name=node)
            self._futures.append(task.submit(node, self._endings[node]))

    def moved(self, node: str, tally: Tally) -> None:
        """Tell now and then how far it is."""
        self._tallies[node] = tally
        if node in self._seen:
            self._progress.advance(tally.items - self._seen[node])
            self._seen[node] = tally.items
        if time.monotonic() - self._told > TELL_S:
            self._told = time.monotonic()
            states = {one.name: self._tally(one.name).state for one in self._graph.nodes}
            tallies = {one.name: self._tally(one.name) for one in self._graph.nodes}
            announce_table("graphs-nodes", "Nodes", nodes_frame(self._graph, states, tallies))

    def _tally(self, node: str) -> Tally:
        return self._tallies.get(node, Tally())

    def ended(self, node: str, tally: Tally) -> None:
        """Show how a node ended."""
        self.began(node)
        self._endings[node].set(tally.state, tally_text(tally))

    def close(self, states: Mapping[str, State], tallies: Mapping[str, Tally]) -> None:
        """Let all tasks end; those of nodes that did not end, too."""
        for name, ending in self._endings.items():
            ending.set(states.get(name, "CANCELLED"), tally_text(tallies.get(name, Tally())))
        wait(self._futures)


def tally_text(tally: Tally) -> str:
    """What a node did, in one line."""
    skipped = ", ".join(f"{count:,} {reason}" for reason, count in tally.skipped.items())
    parts = [
        f"{tally.items:,} items in, {tally.passed + tally.new_items:,} out",
        f"{tally.failed:,} failed" if tally.failed else "",
        f"skipped: {skipped}" if skipped else "",
        f"{tally.cached:,} stored before" if tally.cached else "",
        f"{tally.replaced:,} replaced" if tally.replaced else "",
        f"{tally.seconds:.2f} s in {tally.calls:,} calls",
    ]
    return "; ".join(part for part in parts if part)


def run_and_deliver(
    run: Prepared, plan: pd.DataFrame, started: datetime
) -> tuple[Ended, GraphResult]:
    """Put all items through the graph, or through the one that takes its place, and write all."""
    with work_folder() as temporary:
        ended = _shown_run(run, temporary / "first")
        if ended.error is not None and run.fallback is not None:
            run_logger().warning("%s; the fallback graph takes its place", ended.error)
            reason = str(ended.error)
            ended = _shown_run(run.fallback, temporary / "second")
            ended.failed_first = reason
        write = deliver.with_options(task_run_name="write results")
        result = write(cast(Ended, quote(ended)), plan, started)  # Prefect is not to look into it
        _record(ended)
        frame = nodes_frame(ended.run.graph, ended.states, ended.tallies)
        announce_table("graphs-nodes", "Nodes", frame)
        announce_mermaid("graphs-graph", "The graph", mermaid(ended.run.graph, states_told(ended)))
    return ended, result


def _shown_run(run: Prepared, folder: Path) -> Ended:
    folder.mkdir()
    teller = Teller(run)
    try:
        ended = execute(run, folder, log=run_logger(), observer=teller)
    except BaseException:
        teller.close({}, {})
        raise
    teller.close(ended.states, ended.tallies)
    return ended


@delivery
def deliver(ended: Ended, plan: pd.DataFrame, started: datetime) -> GraphResult:
    """The folder of the run: items, tables, page, manifest."""
    run = current_run(started)
    result = deliver_folder(ended, Occasion(run.name, run.id, started), plan)
    run_logger().info("%d items in, %d failed; page: %s", result.items, result.failed, result.page)
    return result


def states_told(ended: Ended) -> dict[str, str]:
    """State and items of each node, as the diagram has them."""
    return {
        name: f"{ended.states[name]} {one.items:,} items, {one.seconds:.2f} s"
        for name, one in ended.tallies.items()
    }


def _record(ended: Ended) -> None:
    """What each node was measured by, for the ledger."""
    context = FlowRunContext.get()
    if context is None or context.flow_run is None:
        return
    row = execution_id(context.flow_run)
    for name, values in node_metrics(ended).items():
        persistently(ledger.add_metrics, row, name, values, key=name)


def plan_diagram(graph: Graph) -> None:
    """Show the graph before it runs."""
    announce_mermaid("graphs-graph", "The graph", mermaid(graph))
