"""Cached results depend on all the code that makes them."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from tasks.domains import reference_stages, search_jobs, stages
from tasks.domains.search_jobs import PARTITION_MODULES


def test_a_change_of_any_module_of_the_partition_is_noticed():
    code = "import sys, tasks.domains.annotating; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("tasks.domains.")}

    assert loaded <= set(PARTITION_MODULES)


NAMED = {
    "tables": reference_stages.TABLES,
    "blast": reference_stages.BLAST,
    "profiles": reference_stages.PROFILES,
    "hhsuite": reference_stages.HHSUITE,
    "reading": stages.READING,
    "evidence": search_jobs.EVIDENCE_MODULES,
    "partition": search_jobs.PARTITION_MODULES,
}


@pytest.mark.parametrize("modules", NAMED.values(), ids=NAMED)
def test_modules_that_decide_results_are_there(modules):
    assert [name for name in modules if find_spec(name) is None] == []
