"""What failed in a run, with the reasons, and the parameters of a run that does only that again.

Every pipeline keeps what failed in the folder of its run: `failed.csv` (design, domains, reads) or
`errors.jsonl` and `failed.jsonl` (graphs). What was done is stored, so the parameters of the run
itself are enough where its input cannot be cut down: only what failed is then done.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import fsspec
import pandas as pd

from blocks.errors import InputError
from blocks.executions import FINAL, Run
from blocks.masking import MASK
from blocks.storage import filesystem_of

ITEM_NAMES = ("id", "protein", "sample", "item")
PLACE_NAMES = ("failed_at", "stage", "node")
REASON_NAMES = ("reason", "error")

Params = dict[str, Any]


def failed_frame(run: Run) -> pd.DataFrame:
    """A row for each item that failed: `item`, `failed_at`, `reason`.

    Raises:
        InputError: The folder of the run is gone.
    """
    folder = _folder(run)
    told = _table(folder) if folder and _counted(run) else pd.DataFrame()
    columns = {"item": ITEM_NAMES, "failed_at": PLACE_NAMES, "reason": REASON_NAMES}
    found = {name: _first(told, names) for name, names in columns.items()}
    return pd.DataFrame({name: column.astype(str) for name, column in found.items()})


def again(run: Run) -> Params:
    """Parameters of a run that does only what failed, as `seqloom run` takes them.

    Raises:
        InputError: The run still goes on, nothing failed, or the ledger holds no parameters that
            could be used: they are written down masked.
    """
    if run.status not in FINAL:
        raise InputError(f"run {run.execution_id[:8]}: is running; expected one that has ended")
    if run.status == "completed" and not _counted(run):
        raise InputError(f"run {run.execution_id[:8]}: nothing failed in it; expected a failure")
    params = _parameters(run)
    if _holds_mask(params):
        raise InputError(
            f"run {run.execution_id[:8]}: its parameters hold secrets or personal data, which are "
            "not kept; expected the file that it was started with"
        )
    folder = _folder(run)
    cut_down = _CUT_DOWN.get(run.pipeline_type)
    return cut_down(run, params, folder) if cut_down and folder and _counted(run) else params


def _design(_run: Run, params: Params, folder: str) -> Params:
    given = params.get("input") or {}
    if not (given.get("source") or given.get("sequences")):  # generated: what is stored stays
        return params
    kept = {name: value for name, value in given.items() if name not in {"source", "sequences"}}
    return params | {"input": kept | {"source": f"{folder}/failed.csv"}}


def _domains(run: Run, params: Params, _folder: str) -> Params:
    batch = run.output_data.get("batch") if isinstance(run.output_data, Mapping) else None
    return params | {"proteins": "failed"} | ({"batch": batch} if batch else {})


def _graphs(_run: Run, params: Params, folder: str) -> Params:
    if not _is_there(f"{folder}/failed.jsonl"):
        return params
    return params | {"input": {"source": f"{folder}/failed.jsonl"}}


_CUT_DOWN: dict[str, Callable[[Run, Params, str], Params]] = {
    "design": _design,
    "domains": _domains,
    "graphs": _graphs,
}


def _parameters(run: Run) -> Params:
    given = run.input_data if isinstance(run.input_data, dict) else {}
    params = given.get("params", given)
    if not isinstance(params, dict) or not params:
        raise InputError(f"run {run.execution_id[:8]}: no parameters in the ledger; expected some")
    return params


def _holds_mask(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_holds_mask(one) for one in value.values())
    if isinstance(value, list):
        return any(map(_holds_mask, value))
    return isinstance(value, str) and MASK in value


def _counted(run: Run) -> int:
    """Items that failed, as the run counted them."""
    output = run.output_data if isinstance(run.output_data, Mapping) else {}
    failed = output.get("failed")
    return failed if isinstance(failed, int) else 0


def _folder(run: Run) -> str:
    output = run.output_data if isinstance(run.output_data, Mapping) else {}
    return str(output.get("folder") or "")


def _is_there(uri: str) -> bool:
    filesystem, path = filesystem_of(uri)
    return bool(filesystem.exists(path))


def _table(folder: str) -> pd.DataFrame:
    for name in ("failed.csv", "errors.jsonl"):
        uri = f"{folder}/{name}"
        filesystem, path = filesystem_of(uri)
        if filesystem.exists(path):
            return _read(filesystem, path)
    raise InputError(f"{folder}: neither failed.csv nor errors.jsonl; expected the run's folder")


def _read(filesystem: fsspec.AbstractFileSystem, path: str) -> pd.DataFrame:
    with filesystem.open(path, "rt", encoding="utf-8") as file:
        if path.endswith(".csv"):
            return pd.read_csv(file, dtype=str, keep_default_na=False)
        return pd.DataFrame([json.loads(line) for line in file])


def _first(frame: pd.DataFrame, names: tuple[str, ...]) -> "pd.Series[Any]":
    for name in names:
        if name in frame.columns:
            return frame[name]
    return pd.Series([""] * len(frame), dtype=str)
