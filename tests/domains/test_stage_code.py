"""Cached results depend on all the code that makes them."""

import subprocess
import sys

from tasks.domains.search_jobs import PARTITION_MODULES


def test_a_change_of_any_module_of_the_partition_is_noticed():
    code = "import sys, tasks.domains.annotating; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name for name in done.stdout.split() if name.startswith("tasks.domains.")}

    assert loaded <= set(PARTITION_MODULES)
