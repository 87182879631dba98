"""Whether a configuration still gives the outputs that are there.

The run is repeated into a temporary folder. Files are compared after decompression, since another
compressor may pack the same bytes differently; reports without what every run changes.
"""

import json
import re
import shutil
from collections.abc import Container, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path

from blocks.work_folder import work_folder
from tasks.reads.configuration import read_configuration
from tasks.reads.decompression import InputFile
from tasks.reads.processing import Choices, process

CHANGING = {"version", "cwd", "repository", "program_version", "working_directory", "input_toml",
            "threads_per_segment", "seconds"}  # fmt: skip
"""Keys of reports that tell of the run, not of the reads."""
UNCOMPARED = (".html", "_timing.json", ".compressed.sha256", ".manifest.json")
"""Ends of names of files that only have to be there."""
PIECE = 1 << 20
SHOWN = 60


def verify(path: Path, *, keep: Path | None = None, workers: int | None = None) -> list[str]:
    """What differs between a new run and the outputs that are there; one line each.

    Args:
        path: The configuration; inputs and earlier outputs lie where `process` from here has them.
        keep: Where new outputs that differ are left.
        workers: Threads.

    Raises:
        InputError: The configuration or the input is wrong.
    """
    with work_folder() as new:
        configuration = read_configuration(path, output_folder=new)
        process(configuration, Choices(workers=workers))
        output = configuration.output
        inputs = configuration.input.local_files(configuration.folders[0]).values()
        others = {one.resolve() for one in (path, *inputs)}
        found = list(differences(Path(), new, output.prefix, output.ix_separator, others))
        if found and keep is not None:
            shutil.copytree(new, keep, dirs_exist_ok=True)
    return found


def differences(
    old: Path, new: Path, prefix: str, separator: str = "_", others: Container[Path] = ()
) -> Iterator[str]:
    """How the outputs in a folder differ from those in another one, which has nothing else.

    Args:
        old: It may have other files, too; what has a name as outputs of that prefix have, and an
            ending as one of the new outputs, is taken for an output.
        new: Made by a run.
        prefix: Of their names.
        separator: Behind it.
        others: Files in the old folder that are no outputs.
    """
    made = {str(path.relative_to(new)) for path in new.rglob("*") if path.is_file()}
    there = {name for name in made if (old / name).is_file()}
    if made and not there:
        yield f"none of the {len(made)} outputs is there, such as {min(made)}"
        return
    endings = {_ending(name.removeprefix(prefix)) for name in made}
    folder, _, begin = prefix.rpartition("/")
    older = (path for path in (old / folder).glob(f"{_escaped(begin)}*") if path.is_file())
    gone = {
        str(path.relative_to(old))
        for path in older
        if (rest := path.name.removeprefix(begin)).startswith((separator, "."))
        and _ending(rest) in endings
        and path.resolve() not in others
    }
    yield from (
        f"{name}: is not made any more: only among the earlier outputs"
        for name in sorted(gone - made)
    )
    yield from (
        f"{name}: is not among the earlier outputs; a run makes it" for name in sorted(made - there)
    )
    for name in sorted(there):
        if difference := _difference(old / name, new / name):
            yield f"{name}: {difference}"


def _ending(name: str) -> str:
    return "".join(Path(name).suffixes[-2:])


def _escaped(name: str) -> str:
    return re.sub(r"([*?\[])", r"[\1]", name)


def _difference(old: Path, new: Path) -> str:
    """The first difference; nothing where there is none."""
    if old.name.endswith(UNCOMPARED):
        return ""
    if old.suffix == ".json":
        return _json_difference(json.loads(old.read_bytes()), json.loads(new.read_bytes()))
    if old.suffix == ".progress":
        same = _wordless(old.read_text()) == _wordless(new.read_text())
        return "" if same else "differs beyond its numbers"
    return _text_difference(old, new)


def _wordless(text: str) -> str:
    return re.sub(r"\d+(\.\d+)?", "#", text)


def _text_difference(old: Path, new: Path) -> str:
    begin, line = 0, 1
    for one, other in zip_longest(_pieces(old), _pieces(new), fillvalue=b""):
        if one == other:
            begin += len(one)
            line += one.count(b"\n")
            continue
        at = next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
                  min(len(one), len(other)))  # fmt: skip
        line += one.count(b"\n", 0, at)
        return f"line {line} (byte {begin + at}): {_shown(other, at)} instead of {_shown(one, at)}"
    return ""


def _pieces(path: Path) -> Iterator[bytes]:
    """The inflated content in pieces of one size."""
    file = InputFile(str(path))
    try:
        while True:
            piece = bytearray(PIECE)
            filled = 0
            while filled < PIECE and (got := file.read_into(memoryview(piece)[filled:])):
                filled += got
            if not filled:
                return
            yield bytes(piece[:filled])
    finally:
        file.close()


def _shown(piece: bytes, at: int) -> str:
    begin = piece.rfind(b"\n", 0, at) + 1
    line = piece[max(begin, at - SHOWN // 2) :].split(b"\n")[0][:SHOWN]
    return repr(line.decode("latin-1")) if at < len(piece) else "the end"


def _json_difference(old: object, new: object, place: str = "") -> str:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        names = [name for name in {**old, **new} if name not in CHANGING]
        parts = ((old.get(name), new.get(name), f"{place}/{name}") for name in names)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            return f"{place}: {len(new)} items instead of {len(old)}"
        both = enumerate(zip(old, new, strict=True))
        parts = ((one, other, f"{place}[{number}]") for number, (one, other) in both)
    else:
        return "" if old == new else f"{place}: {new!r} instead of {old!r}"
    return next(filter(None, (_json_difference(*part) for part in parts)), "")
