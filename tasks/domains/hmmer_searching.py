"""Searches with phmmer and jackhmmer, which run as a program of their own (`tasks.domains.hmmer`).

The time limit kills them as it kills every other program. A call takes half a second to start.
"""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from blocks.errors import InputError, ToolError
from blocks.programs import run_program
from blocks.work_folder import work_folder
from tasks.domains.evidence import Source, evidence_frame
from tasks.domains.queries import Queries, name_of
from tasks.domains.search_settings import BlastSettings, ProfileSettings

if TYPE_CHECKING:
    from tasks.domains.hmmer import Request


def search_phmmer(
    queries: Queries, targets: Path, source: Source, settings: BlastSettings, threads: int
) -> pd.DataFrame:
    """Evidence of phmmer; rows in the order of the queries, the best targets first.

    Raises:
        InputError: The targets are no FASTA.
        ToolError: phmmer failed or ran into its limit.
    """
    request: Request = {
        "program": "phmmer", "queries": _named(queries), "targets": [str(targets)],
        "source": source, "evalue": settings.evalue, "max_targets": settings.max_targets,
        "rounds": 1, "threads": threads, "answer": "",
    }  # fmt: skip
    rows = _answers(request, settings.time_limit_s)
    for row in rows:
        row["protein"] = queries.protein(row["protein"], "phmmer").id
    return evidence_frame(rows)


def jackhmmer_alignments(
    queries: Queries,
    targets: Sequence[Path],
    settings: ProfileSettings,
    threads: int,
) -> list[str]:
    """The a3m of each protein, in order, each under its neutral name.

    Raises:
        InputError: The targets are no FASTA.
        ToolError: jackhmmer failed or ran into its limit.
    """
    request: Request = {
        "program": "jackhmmer", "queries": _named(queries), "targets": list(map(str, targets)),
        "source": "hhsearch", "evalue": settings.evalue, "max_targets": 0,
        "rounds": settings.rounds, "threads": threads, "answer": "",
    }  # fmt: skip
    made: list[str] = _answers(request, settings.time_limit_s)
    if len(made) != len(queries.proteins):
        told = f"made {len(made)} of {len(queries.proteins)} alignments"
        raise ToolError("jackhmmer", 0, told)
    return made


def _named(queries: Queries) -> list[tuple[str, str]]:
    return [(name_of(index), text) for index, text in enumerate(queries.sequences)]


def _answers(request: "Request", time_limit_s: float) -> list[Any]:
    tool = request["program"]
    with work_folder() as folder:
        asked, answer = folder / "request.json", folder / "answer.jsonl"
        asked.write_text(json.dumps({**request, "answer": str(answer)}), encoding="utf-8")
        try:
            run_program(
                [sys.executable, "-m", "tasks.domains.hmmer", asked], timeout_s=time_limit_s
            )
        except ToolError as error:
            raise ToolError(tool, error.status, error.output_tail) from None
        lines = answer.read_text(encoding="utf-8").splitlines()
    answers = [json.loads(line) for line in lines]
    last = answers.pop() if answers and isinstance(answers[-1], dict) else {}
    if refused := last.get("refused"):
        raise InputError(refused)
    if last.get("answers") != len(answers):
        raise ToolError(tool, 0, f"its answer is cut after {len(answers)} lines")
    return answers
