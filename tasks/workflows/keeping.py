"""Finished steps, kept so that a workflow which is run again takes them over.

A step is the same if it runs the same pipeline of the same code with the same parameters, after
steps with the same results, if the files that the earlier run read still are what they were, and
if its folder is still there. A step that was undone is not finished.
"""

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from pydantic import JsonValue

from blocks.errors import InputError
from blocks.kept_answers import KeptAnswers
from blocks.storage import filesystem_of, refer
from tasks.workflows.step_end import Outcome

PACKAGES = ("blocks", "tasks", "flows")
UNDONE: JsonValue = {"undone": True}


def step_key(
    pipeline: str,
    params: Mapping[str, JsonValue],
    above: Mapping[str, Mapping[str, JsonValue]],
) -> str:
    """Name of a finished step.

    Args:
        pipeline: That it runs.
        params: With what references stood for.
        above: Results of the steps that it needs: a name such as that of a reference may stay while
            what it stands for has changed.
    """
    content = json.dumps([pipeline, params, above], sort_keys=True)
    return hashlib.sha256(f"workflow step\0{code_digest()}\0{content}".encode()).hexdigest()


@cache
def code_digest() -> str:
    """Digest of everything that computes: which parts a pipeline uses, nobody says."""
    root = Path(__file__).parents[2]
    found = sorted(path for name in PACKAGES for path in (root / name).rglob("*.py"))
    digest = hashlib.sha256()
    for path in found:
        digest.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def finished(key: str) -> Outcome | None:
    """What an earlier run of the step gave, if that is still true."""
    kept = KeptAnswers().get([key]).get(key)
    if not isinstance(kept, dict) or kept == UNDONE:
        return None
    outcome = Outcome.model_validate(kept)
    return outcome if _holds(outcome.result) else None


def keep(key: str, outcome: Outcome) -> None:
    """Note that a step is finished; where a fallback stood in or items failed, it is not."""
    partly = outcome.degraded or any(outcome.result.get(name) for name in ("failed", "refused"))
    if not partly:
        KeptAnswers().put({key: outcome.model_dump(mode="json")})


def forget(key: str) -> None:
    """Note that a step was undone."""
    KeptAnswers().put({key: UNDONE})


def _holds(result: Mapping[str, JsonValue]) -> bool:
    """Whether the folder is there, and the files that were read are what they were."""
    folder, inputs = result.get("folder"), result.get("inputs")
    if isinstance(folder, str) and folder:
        filesystem, path = filesystem_of(folder)
        if not filesystem.isdir(path):
            return False
    try:
        return all(
            refer(uri).digest == digest
            for uri, digest in (inputs if isinstance(inputs, dict) else {}).items()
        )
    except InputError:  # a file is gone
        return False
