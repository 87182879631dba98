"""All pipelines by name: what each does, how it is started, and who answers for it.

Names of flows stand here as text and are imported when one is asked for, so that a list of
pipelines costs nothing. Nobody else's text is ever imported: only what stands in this table.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal, cast, get_type_hints

from blocks.errors import InputError
from tasks.dag import closest

if TYPE_CHECKING:
    import pandas as pd
    from prefect import Flow
    from pydantic import BaseModel

Sensitivity = Literal["open", "internal"]
"""Whether inputs and results may be shown to everybody, or only to the group that runs them."""


@dataclass(frozen=True)
class Pipeline:
    """What can be started."""

    name: str
    entrypoint: str
    """Module and function of the flow, dotted as in `prefect.yaml`."""
    description: str
    deployments: tuple[str, ...]
    """As `prefect deployment run` names them, the usual one first."""
    owner: str = "seqloom"
    sensitivity: Sensitivity = "internal"
    fallback: "Fallback | None" = None

    @cached_property
    def flow(self) -> "Flow[..., Any]":
        """The flow itself; imports Prefect."""
        module, function = self.entrypoint.rsplit(".", 1)
        return cast("Flow[..., Any]", getattr(import_module(module), function))

    @cached_property
    def parameters(self) -> "type[BaseModel]":
        """The model that its one parameter, `params`, has to fit."""
        return cast("type[BaseModel]", get_type_hints(self.flow.fn)["params"])

    def told(self, parameters: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the ledger may keep of the parameters of a run."""
        told = getattr(import_module(self.entrypoint.rsplit(".", 1)[0]), "told", None)
        return cast("Mapping[str, Any]", told(parameters)) if told is not None else parameters

    def plan(self, params: "BaseModel") -> "tuple[str, pd.DataFrame]":
        """What a run would do, as text and table; nothing is run.

        Raises:
            InputError: The pipeline does not tell.
        """
        told = getattr(import_module(self.entrypoint.rsplit(".", 1)[0]), "plan", None)
        if told is None or get_type_hints(told)["params"] is not self.parameters:
            raise InputError(f"pipeline {self.name!r}: has no plan; expected `seqloom run`")
        return cast("tuple[str, pd.DataFrame]", told(params))


@dataclass(frozen=True)
class Fallback:
    """What to run where a pipeline fails for reasons that are not its input's."""

    pipeline: str
    changes: tuple[tuple[str, Any], ...]
    """Parameters that differ from those of the run that failed."""
    told: str
    """What the results then lack."""


_ALL = (
    Pipeline(
        "design",
        "flows.design.design",
        "make protein variants, predict their properties, filter, cluster, rank",
        ("design/quickstart", "design/nightly"),
    ),
    Pipeline(
        "reads",
        "flows.reads.process",
        "process the reads of samples: trim, filter, tag, demultiplex, count",
        ("reads/process",),
    ),
    Pipeline(
        "reads-verify",
        "flows.reads.verify",
        "process the samples of an earlier run again and compare",
        ("reads/verify",),
    ),
    Pipeline(
        "reference",
        "flows.reference.build",
        "build a reference of protein domains",
        ("reference/build",),
        sensitivity="open",
    ),
    Pipeline(
        "domains",
        "flows.domains.annotate",
        "find and classify the domains of proteins",
        ("domains/annotate", "domains/inbox"),
        fallback=Fallback(
            "domains", (("mode", "BLAST_ONLY"),), "domains that only HHsearch could have found"
        ),
    ),
    Pipeline(
        "graphs",
        "flows.graphs.graphs",
        "text and language-model steps wired freely",
        ("graphs/text", "graphs/llm", "graphs/abstracts"),
    ),
    Pipeline(
        "ops",
        "flows.ops.report",
        "report on all runs: success, times, trends, what left its band",
        ("ops/report",),
    ),
    Pipeline(
        "ops-note",
        "flows.ops.note",
        "note that a pipeline left its band; automations start it",
        ("ops/note",),
    ),
    Pipeline(
        "run-pipeline",
        "flows.runner.run_pipeline",
        "run one of the others by name, with retries, a time limit and a fallback",
        ("run-pipeline/any",),
    ),
)
PIPELINES = {one.name: one for one in _ALL}
"""By name, in the order in which they are told."""


def pipeline(name: str) -> Pipeline:
    """The pipeline of that name.

    Raises:
        InputError: There is none.
    """
    found = PIPELINES.get(name)
    if found is None:
        raise InputError(f"pipeline {name!r}: not known; expected {closest(name, list(PIPELINES))}")
    return found
