"""Bad input: each case states the exact lines that a user sees; a changed message shows in review.

`tests/cases/design/<case>/` holds a run with its files, and what `seqloom plan` prints for it.
`tests/cases/design/parameters.yaml` breaks `base.yaml`, one thing at a time.
"""

import copy
import io
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from deployments import cli

CASES = Path(__file__).parents[1] / "cases" / "design"
FOLDERS = sorted(folder for folder in CASES.iterdir() if folder.is_dir())
TABLE: list[dict[str, Any]] = yaml.safe_load((CASES / "parameters.yaml").read_text("utf-8"))
BASE: dict[str, Any] = yaml.safe_load((CASES / "base.yaml").read_text("utf-8"))
DONE, WRONG = 0, 2


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to run in, with stores of its own."""
    folder = tmp_path / "case"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("SEQLOOM_DATA", str(folder))
    monkeypatch.setenv("SEQLOOM_STORAGE", str(tmp_path / "storage"))
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path / 'seqloom.db'}")
    monkeypatch.setenv("SEQLOOM_RESULTS", str(tmp_path / "results"))
    return folder


def printed(capsys: pytest.CaptureFixture[str], folder: Path) -> tuple[str, str]:
    """Output and error output, with paths relative to the case."""
    shown = capsys.readouterr()
    return shown.out, shown.err.replace(f"{folder}/", "")


@pytest.mark.parametrize("case", FOLDERS, ids=lambda folder: folder.name)
def test_each_file_gives_its_plan_or_its_lines(
    case: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(case, place, dirs_exist_ok=True)

    status = cli.main(["plan", "design", "params.yaml"])

    out, err = printed(capsys, place)
    good = case / "expected_plan.txt"
    if good.exists():
        assert (status, out, err) == (DONE, good.read_text("utf-8"), "")
    else:
        expected = (case / "expected_error.txt").read_text("utf-8")
        assert (status, out, err) == (WRONG, "", expected)
        assert not (place.parent / "results").exists()


def test_the_base_of_the_table_has_a_plan(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(CASES / "family.fasta", place)

    status = cli.main(["plan", "design", str(CASES / "base.yaml")])

    assert (status, printed(capsys, place)[1]) == (DONE, "")


@pytest.mark.parametrize("case", TABLE, ids=lambda case: str(case["name"]))
def test_each_wrong_value_gives_its_lines(
    case: dict[str, Any], place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(CASES / "family.fasta", place)
    content = changed(BASE, case.get("change", {}), case.get("remove", ()))
    (place / "params.yaml").write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")

    status = cli.main(["plan", "design", "params.yaml"])

    out, err = printed(capsys, place)
    assert (status, out, err) == (WRONG, "", case["message"].rstrip("\n") + "\n")
    assert not (place.parent / "results").exists()


def test_the_names_of_the_cases_are_different() -> None:
    names = [case["name"] for case in TABLE]

    assert sorted(names) == sorted(set(names))


def test_parameters_come_from_standard_input_too(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = io.TextIOWrapper(io.BytesIO(b"stages: []\n"))
    monkeypatch.setattr(sys, "stdin", text)

    status = cli.main(["plan", "design", "-"])

    assert (status, printed(capsys, place)[1]) == (
        WRONG,
        "stages: none; expected at least one stage\n",
    )


def changed(base: dict[str, Any], change: dict[str, Any], remove: list[str]) -> dict[str, Any]:
    """The base with other values at dotted places; stages go by their names, a new one is added."""
    content = copy.deepcopy(base)
    for path, value in change.items():
        holder, last = _holder(content, path)
        if isinstance(holder, list):
            _replace(holder, last, value)
        else:
            holder[last] = value
    for path in remove:
        holder, last = _holder(content, path)
        if isinstance(holder, list):
            holder.remove(_named(holder, last))
        else:
            del holder[last]
    return content


def _holder(content: Any, path: str) -> tuple[Any, str]:
    *parts, last = path.split(".")
    for part in parts:
        content = _named(content, part) if isinstance(content, list) else content[part]
    return content, last


def _named(items: list[Any], name: str) -> Any:
    return items[int(name)] if name.isdigit() else next(i for i in items if i["name"] == name)


def _replace(items: list[Any], name: str, value: object) -> None:
    if name.isdigit():
        items[int(name)] = value
    elif isinstance(value, dict):
        items.append({"name": name, **value})
    else:
        items[items.index(_named(items, name))] = value
