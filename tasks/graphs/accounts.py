"""What the nodes and models of a run did, in figures: for the folder, and for the ledger."""

from collections.abc import Mapping

import pandas as pd

from blocks.errors import SeqloomError
from blocks.processes import peak_memory_bytes
from tasks.graphs.running import Ended
from tasks.graphs.tally import Tally


def require_sums(tallies: Mapping[str, Tally]) -> None:
    """Raise where a node lost an item, or made one twice.

    Raises:
        SeqloomError: With the node and its counts.
    """
    for name, one in tallies.items():
        ends = one.passed + one.spread + sum(one.skipped.values()) + one.failed
        if one.items != ends:
            raise SeqloomError(f"node {name!r}: {one.items} items in, {ends} ended; expected all")


def trace_frame(ended: Ended) -> pd.DataFrame:
    """A row for each node: when it began and ended, its time in calls."""
    rows = [
        {
            "node": name,
            "state": ended.states[name],
            "first_s": one.first_s,
            "last_s": one.last_s,
            "wall_s": one.seconds,
            "cpu_s": one.cpu_s,
            "calls": one.calls,
            "tries": one.tries,
        }
        for name, one in ended.tallies.items()
    ]
    return pd.DataFrame(rows)


def uses_frame(ended: Ended) -> pd.DataFrame:
    """A row for each connection to a language model."""
    rows = [
        {
            "connection": name,
            "answered": use.answered,
            "stored": use.cached,
            "repaired": use.repaired,
            "fell back": use.fell_back,
            "failed": use.failed,
            "tokens in": use.usage.input_tokens,
            "tokens out": use.usage.output_tokens,
            "cost [USD]": use.usage.cost,
        }
        for name, use in ended.uses.items()
    ]
    return pd.DataFrame(rows)


def node_metrics(ended: Ended) -> dict[str, dict[str, float | None]]:
    """What each node, and each connection to a model, was measured by, for the ledger.

    Nodes work side by side in one process; the peak of its memory is that of each.
    """
    nodes: dict[str, dict[str, float | None]] = {
        name: {
            "wall_s": one.seconds,
            "cpu_s": one.cpu_s,
            "peak_memory_bytes": peak_memory_bytes(),
            "items_in": one.items,
            "items_out": one.passed + one.new_items,
            "items_failed": one.failed,
            "items_cached": one.cached,
            "items_computed": max(one.passed + one.spread - one.cached, 0),
            "items_per_s": one.items / one.seconds if one.seconds else None,
            "requests": one.calls,
            "attempts": 1 + one.tries / max(one.items, 1),
            "cache_hit": float(ended.states[name] == "CACHED"),
        }
        for name, one in ended.tallies.items()
    }
    models: dict[str, dict[str, float | None]] = {
        f"model {name}": {
            "requests": use.usage.requests,
            "items_in": use.answered + use.cached + use.failed,
            "items_out": use.answered + use.cached,
            "items_failed": use.failed,
            "items_cached": use.cached,
            "input_tokens": use.usage.input_tokens,
            "output_tokens": use.usage.output_tokens,
            "cost_usd": use.usage.cost,
        }
        for name, use in ended.uses.items()
    }
    return nodes | models
