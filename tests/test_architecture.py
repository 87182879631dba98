"""What `lint-imports` cannot see of the map in the README."""

import subprocess
import sys
from importlib import import_module
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("blocks", "tasks", "flows", "deployments")
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))
JUNK_DRAWERS = {
    "base", "common", "core", "data", "helper", "helpers", "lib", "manager", "misc", "shared",
    "stuff", "tools", "util", "utils",
}  # fmt: skip


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_module_is_named_for_what_it_holds(path):
    assert path.stem not in JUNK_DRAWERS
    assert path.parent.name not in JUNK_DRAWERS


@pytest.mark.parametrize("package", PACKAGES)
def test_our_package_is_the_one_in_this_tree(package):
    """No other distribution has installed a package of that name."""
    assert Path(next(iter(import_module(package).__path__))) == ROOT / package


@pytest.mark.parametrize("path", sorted((ROOT / "flows").glob("*.py")), ids=lambda path: path.stem)
def test_flow_file_shadows_nothing(path):
    taken = sys.stdlib_module_names | packages_distributions().keys() | set(PACKAGES)

    assert path.stem == "__init__" or path.stem not in taken


@pytest.mark.parametrize(
    "module",
    ["tasks.design.predictors", "tasks.design.generators", "tasks.design.filters",
     "tasks.design.page.document", "tasks.sequence_files", "tasks.dag", "tasks.graphs.builder",
     "tasks.graphs.running", "tasks.graphs.delivery"],
)  # fmt: skip
def test_what_computes_is_imported_without_prefect(module):
    """Notebooks and worker processes pay for what they use; Prefect costs seconds."""
    code = f"import {module}, sys; sys.exit('prefect' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
