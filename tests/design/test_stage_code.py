"""A stage is computed anew when code that decides its result changes, wherever that code lies."""

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

from tasks.design import remote_stages, stages

IGNORED = {
    "tasks.dag",  # words of messages
    "tasks.parameters",  # forms
    "tasks.design.column_names",
    "tasks.design.method",  # descriptions
    "tasks.design.remote_asking",  # how a service is asked; answers are kept by themselves
    "tasks.design.scoring",
    "tasks.design.profile",  # others use its alphabet only
    "tasks.design.remote_generation",  # the generators of this machine know its settings only
    "tasks.design.remote_logits",
    "tasks.design.remote_saturation",
}


def is_module(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # its parent is a module, not a package
        return False


def imported(module: str) -> set[str]:
    """Modules of `tasks` that a module imports."""
    tree = ast.parse(Path(find_spec(module).origin).read_text(encoding="utf-8"))
    names = [
        (node.module, f"{node.module}.{alias.name}")
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module.startswith("tasks")
        for alias in node.names
    ]
    return {inner if is_module(inner) else outer for outer, inner in names}


@pytest.mark.parametrize(
    "stage",
    [
        stages.load_input,
        stages.make_profile,
        stages.generate,
        stages.filter_items,
        stages.cluster,
        stages.cluster_by_program,
        stages.measure_diversity,
        stages.rank,
        remote_stages.generate_remotely,
    ],
    ids=lambda stage: stage.fn.__name__,
)
def test_a_stage_names_all_code_that_its_result_depends_on(stage):
    named = set(stage.cache_policy.modules)

    assert set().union(*map(imported, named)) - named <= IGNORED
