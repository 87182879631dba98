"""The table of faults: runs the tests of this folder and prints what each fault did.

python tests/chaos/table.py           the faults of this folder
python tests/chaos/table.py --all     those of the pipelines, too: minutes
"""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "tests/flows/test_design_ended.py": "",
    "tests/flows/test_domains.py": "killed or crashes or time_limit or cut_output",
    "tests/flows/test_graphs.py": "killed or dies or nonsense",
    "tests/flows/test_reads.py": "killed or terminated",
    "tests/flows/test_reference_interrupted.py": "",
}
"""Files with faults of one pipeline -> which of their tests."""


def main(arguments: list[str]) -> int:
    """Exit status of the tests."""
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"]
    statuses = [subprocess.run([*command, "tests/chaos"], cwd=ROOT, check=False).returncode]
    if "--all" in arguments:
        for file, which in ELSEWHERE.items():
            chosen = ["-v", file, *(["-k", which] if which else [])]
            statuses.append(subprocess.run([*command, *chosen], cwd=ROOT, check=False).returncode)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
