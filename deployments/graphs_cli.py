"""`seqloom graphs`: text and language-model graphs from the command line, without a server.

seqloom graphs run graph.yaml --input items.jsonl   run it; the results' folder has a page
seqloom graphs validate graph.yaml                  check a graph; nothing is called
seqloom graphs show graph.yaml                      the graph in Mermaid's language
seqloom graphs steps [NAME]                         all steps, or what one takes
seqloom graphs items RUN NODE                       what a node got and gave, as JSON lines
seqloom graphs node RUN NODE                        run a node again, from what it got
"""

import json
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import App, Parameter
from cyclopts.validators import Number

from deployments.surroundings import prepare_environment
from deployments.telling import AsJson, put, put_lines, tell

if TYPE_CHECKING:
    from tasks.graphs.model import GraphParams

FAILED, ITEMS_FAILED = 1, 3
DAY_S = 86_400

graphs_app = App(name="graphs", help="Graphs of text and language-model steps: check, run, look.")

GraphFile = Annotated[str, Parameter(help="graph in YAML or JSON; a path or URI")]
RunName = Annotated[str, Parameter(help="folder of a run, its name, or `latest`")]
NodeName = Annotated[str, Parameter(help="its name")]
Count = Annotated[int, Parameter(validator=Number(gte=1))]
Models = Annotated[
    tuple[str, ...],
    Parameter(help="NODE=CONNECTION, or CONNECTION for all that need one", negative=""),
]
Switch = Annotated[bool, Parameter(negative="", show_default=False)]


@graphs_app.command
def run(
    graph: GraphFile,
    /,
    *,
    input: str = "",  # noqa: A002 -- what the option is called
    format: Literal["auto", "jsonl", "csv", "tsv", "parquet", "folder"] = "auto",  # noqa: A002
    pattern: str = "*.txt",
    model: Models = (),
    budget_cost: Annotated[float | None, Parameter(validator=Number(gt=0))] = None,
    budget_calls: Count | None = None,
    chunk: Count = 64,
    workers: Count = 4,
    seed: int = 1,
    refresh: Switch = False,
    dry_run: Switch = False,
    as_json: AsJson = False,
) -> int:
    """Put items through a graph.

    Parameters
    ----------
    input
        JSONL, CSV, TSV, Parquet, or a folder of texts; a path or URI.
    format
        Of the input; auto: told by its name.
    pattern
        Files of a folder.
    budget_cost
        USD that language models may cost; then the run stops, and what was answered stays.
    budget_calls
        Calls of language models, likewise.
    chunk
        Items that travel together.
    workers
        Calls of steps at once.
    seed
        Of whatever draws.
    refresh
        Take nothing over from earlier runs.
    dry_run
        Only check and show the plan.
    """
    content = {
        "graph": graph, "input": {"source": input, "format": format, "pattern": pattern},
        "models": [_model(one) for one in model], "chunk": chunk, "workers": workers,
        "seed": seed, "refresh": refresh, "budget": {"cost": budget_cost, "calls": budget_calls},
    }  # fmt: skip
    return _run(content, dry_run=dry_run, as_json=as_json)


@graphs_app.command
def validate(graph: GraphFile, /, *, model: Models = ()) -> int:
    """Check a graph; nothing is called."""
    from tasks.dag import plan_text

    checked = _checked(graph, model)
    put(f"{graph}: {plan_text(checked.needs, 'node')}")
    return 0


@graphs_app.command
def show(graph: GraphFile, /) -> int:
    """Print a graph in Mermaid's language."""
    from tasks.graphs.mermaid import mermaid

    put(mermaid(_checked(graph, ())))
    return 0


@graphs_app.command
def steps(name: Annotated[str | None, Parameter(help="only this step")] = None, /) -> int:
    """List all steps, or what one of them takes."""
    from tasks.graphs.listing import step_lines, steps_lines

    put("\n".join(steps_lines() if name is None else step_lines(name)))
    return 0


@graphs_app.command
def items(
    run: RunName,
    node: NodeName,
    /,
    *,
    given: Switch = False,
    limit: Count = 1_000_000_000,
) -> int:
    """Print what became of each item at a node of a run, as JSON lines.

    Parameters
    ----------
    given
        What the node got, instead.
    limit
        Most items.
    """
    from tasks.graphs.rerunning import stored_lines

    prepare_environment()
    put_lines(islice(stored_lines(run, node, given=given), limit))
    return 0


@graphs_app.command
def node(run: RunName, node: NodeName, /, *, model: Models = (), as_json: AsJson = False) -> int:
    """Run one node of an earlier run again, from the inputs that were stored."""
    content = {"rerun": f"{run}/{node}", "models": [_model(one) for one in model], "refresh": True}
    return _run(content, dry_run=False, as_json=as_json)


@graphs_app.command
def forget(*, older_than: Annotated[float, Parameter(validator=Number(gt=0))]) -> int:
    """Drop what runs stored of their nodes, and answers of models; results' folders stay.

    Parameters
    ----------
    older_than
        Days; what was stored before is made, and paid for, again by the next run that needs it.
    """
    from tasks.graphs.forgetting import forget as drop

    prepare_environment()
    gone = drop(older_than * DAY_S)
    size = f"{gone.bytes / 1e6:,.1f} MB"
    put(f"{gone.answers:,} answers and {gone.objects:,} objects ({size}) dropped")
    return 0


def _model(given: str) -> dict[str, str]:
    name, _, connection = given.rpartition("=")
    return {"node": name, "connection": connection}


def _params(content: dict[str, Any]) -> "GraphParams":
    """The parameters of a run.

    Raises:
        InputError: An option does not fit.
    """
    from tasks.graphs.model import GraphParams
    from tasks.wording import validated

    return validated(GraphParams, content, "")


def _checked(graph: str, model: tuple[str, ...]) -> Any:  # noqa: ANN401 -- a Graph
    from tasks.graphs.compiled import compiled
    from tasks.graphs.model_choice import require_runners, with_models
    from tasks.graphs.planning import declaration_of

    prepare_environment()
    params = _params({"graph": graph, "models": [_model(one) for one in model]})
    declaration, _ = declaration_of(params)
    chosen, notes = with_models(declaration, params.models)
    for note in notes:
        tell(note)
    checked = compiled(chosen)
    require_runners(checked)
    return checked


def _run(content: dict[str, Any], *, dry_run: bool, as_json: bool) -> int:
    from deployments.graph_runs import recorded_run, summary
    from tasks.graphs.planning import plan_frame, plan_told, prepare
    from tasks.graphs.rerunning import prepare_again

    prepare_environment()
    params = _params(content)
    prepared = prepare_again(params) if params.rerun else prepare(params)
    if dry_run:
        frame = plan_frame(prepared)
        if as_json:
            put(json.dumps({"plan": frame.to_dict("records")}, indent=2))
        else:
            put(f"{plan_told(prepared)}\n\n{frame.to_string(index=False)}")
        return 0
    for note in prepared.notes:
        tell(note)
    result = recorded_run(prepared)
    if as_json:
        put(json.dumps(result.model_dump(mode="json"), indent=2))
    else:
        put(summary(result))
    if result.error:
        return FAILED
    return ITEMS_FAILED if result.errors else 0
