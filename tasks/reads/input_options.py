"""Where reads come from: the sections `[input]` and `[input.options]`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from os.path import realpath
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from tasks.parameters import Params
from tasks.reads.aliases import plain
from tasks.reads.decompression import STANDARD_INPUT
from tasks.reads.sections import WRITTEN, Section, shown

STDIN = "--stdin--"
RESERVED = ("all", "options", "interleaved")
QUALITIES = (33, 126)
"""Bytes that may stand in a quality text."""


def _byte(value: object) -> object:
    """A character as the number of its byte."""
    if isinstance(value, str):
        if len(value) != 1 or not value.isascii():
            raise ValueError(f"{value!r}; expected a single character, or the number of its byte")
        return ord(value)
    return value


def _quality(value: int) -> int:
    first, last = QUALITIES
    if not first <= value <= last:
        raise ValueError(
            f"{value} is out of the range of qualities; expected {first} to {last} or such a"
            " character; 'B' is a good one"
        )
    return value


Byte = Annotated[int, BeforeValidator(_byte), Field(ge=0, le=255)]
"""A byte, written as its character or as its number."""


class InputOptions(Params):
    """How input files are read."""

    fasta_fake_quality: Annotated[int, BeforeValidator(_byte), Field()] | None = Field(
        None, description="quality of every base of FASTA input: a character or its byte, 33 to 126"
    )
    bam_include_mapped: bool | None = Field(None, description="read aligned records of BAM files")
    bam_include_unmapped: bool | None = Field(
        None, description="read records of BAM files that are not aligned"
    )
    read_comment_character: Byte = Field(
        ord(" "), description="first character after a read's name, where its comment begins"
    )
    use_rapidgzip: bool | None = Field(None, description="accepted, and without effect")
    build_rapidgzip_index: bool = Field(False, description="accepted, and without effect")
    threads_per_segment: int | None = Field(None, ge=1, description="accepted, and without effect")

    @property
    def comment(self) -> str:
        """The character that begins comments."""
        return chr(self.read_comment_character)


@dataclass(frozen=True, slots=True)
class Input:
    """Checked `[input]`."""

    segments: tuple[str, ...]
    """In the order of all outputs: alphabetical, or as `interleaved` names them."""
    files: Mapping[str, tuple[str, ...]]
    """For each segment; for the only source where they are interleaved."""
    interleaved: bool
    options: InputOptions

    def every_file(self) -> list[str]:
        """All input files, repeated ones as often as they stand there."""
        return [name for names in self.files.values() for name in names]

    def local_files(self, folder: Path) -> dict[str, Path]:
        """Where each input file of this machine lies, once, by how it is written.

        Args:
            folder: Against which relative paths are resolved.
        """
        return {
            name: folder / name
            for name in self.every_file()
            if "://" not in name and name not in STANDARD_INPUT
        }


def read_input(section: Section, folder: Path, *, accept_duplicates: bool) -> Input | None:
    """The section as sources; None where something is wrong, which is noted.

    Args:
        folder: Against which relative paths are resolved.
    """
    before = len(section.findings.problems)
    special = {plain(name): name for name in section.given}
    options = _options(section, special.get("options"))
    interleaved = _interleaved(section, special.get("interleaved"))
    names = [name for name in section.given if plain(name) not in ("options", "interleaved")]
    files = {name: _files(section, name) for name in names}
    if not names:
        section.add("", "no segments defined", "at least one, such as read1 = ['filename.fq']")
    for name in names:
        _check_name(section, name, name)
    if interleaved is not None:
        _check_interleaved(section, interleaved, names, special["interleaved"])
    _check_counts(section, files)
    _check_stdin(section, files)
    if not accept_duplicates:
        _check_repeated(section, files, folder)
    if len(section.findings.problems) > before or options is None:
        return None
    segments = tuple(sorted(files)) if interleaved is None else tuple(interleaved)
    return Input(segments, files, interleaved is not None, options)


def _options(section: Section, name: str | None) -> InputOptions | None:
    if name is None:
        return InputOptions()
    given = section.given[name]
    if not isinstance(given, dict):
        section.add(name, f"wrong type: {shown(given)}", "a table of options")
        return None
    inner = Section(given, (*section.key, name), "[input.options]", section.findings)
    options = inner.read(InputOptions)
    if options is not None:
        _check_options(inner, options)
    return options


def _check_options(inner: Section, options: InputOptions) -> None:
    """Note settings that contradict each other."""
    if options.bam_include_mapped is False and options.bam_include_unmapped is False:
        what = "neither mapped nor unmapped records are read"
        inner.add("bam_include_mapped", what, "at least one of the two to be true")
    if options.build_rapidgzip_index and options.use_rapidgzip is False:
        what = "build_rapidgzip_index without use_rapidgzip"
        inner.add("build_rapidgzip_index", what, "both, or none of them")
    if options.fasta_fake_quality is not None:
        try:
            _quality(options.fasta_fake_quality)
        except ValueError as error:
            what, _, expected = str(error).partition("; expected ")
            inner.add("fasta_fake_quality", what, expected)


def _interleaved(section: Section, name: str | None) -> list[str] | None:
    if name is None:
        return None
    given = section.given[name]
    listed = given if isinstance(given, list) else [given]
    if not all(isinstance(one, str) for one in listed):
        section.add(name, f"wrong type: {shown(given)}", "names of segments")
        return []
    return [one.strip() for one in listed]


def _files(section: Section, name: str) -> tuple[str, ...]:
    given = section.given[name]
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, list):
        written = WRITTEN.get(type(given), "something else")
        section.add(name, f"wrong type: {written}", "a file name, or an array of file names")
        return ("?",)
    for number, one in enumerate(given):
        if not isinstance(one, str):
            written = WRITTEN.get(type(one), "something else")
            what = f"wrong type: {shown(one)} is {written}"
            section.add(name, what, "a string, the name of a file", at=(name, number))
    if not given:
        section.add(name, "segment has no files", "at least one file")
    return tuple(str(one) for one in given)


def _check_name(section: Section, name: str, at: str) -> None:
    """Whether a segment may be called so."""
    what = f"invalid segment name {name!r}"
    letters = "letters, digits and _ (a-zA-Z0-9_)"
    if not name:
        section.add(at, "segment name is empty", f"a name of {letters}")
    elif plain(name) in RESERVED or name.lower().startswith("_internal_"):
        section.add(at, f"segment name {name!r} is reserved", "another name")
    elif not re.match(r"[A-Za-z_]", name):
        section.add(at, what, f"a letter or _ first, not {name[0]!r}")
    elif wrong := re.search(r"[^A-Za-z0-9_]", name):
        section.add(at, what, f"only {letters}, not {wrong[0]!r}")
    elif plain(name) in {plain(field) for field in InputOptions.model_fields}:
        section.add(at, f"segment name {name!r} is that of an option", f"options.{name}")


def _check_interleaved(
    section: Section, interleaved: list[str], sources: list[str], name: str
) -> None:
    if len(sources) > 1:
        section.add(name, f"interleaved, and {len(sources)} other keys: {', '.join(sources)}",
                    "exactly one other key, the source of the interleaved reads")  # fmt: skip
    if len(interleaved) < 2:  # noqa: PLR2004 -- fewer are not interleaved
        section.add(name, f"{len(interleaved)} segment(s)", "at least two to interleave")
    repeated = {one for one in interleaved if interleaved.count(one) > 1}
    for number, one in enumerate(interleaved):
        if one in repeated and interleaved.index(one) == number:
            section.add(name, f"duplicate value {one!r}", "each segment once", at=(name, number))
        elif one not in repeated:
            _check_name(section, one, name)


def _check_counts(section: Section, files: Mapping[str, tuple[str, ...]]) -> None:
    counts = {name: len(listed) for name, listed in files.items() if listed}
    if len(set(counts.values())) > 1:
        told = ", ".join(f"{name}: {count}" for name, count in counts.items())
        section.add("", f"numbers of files differ ({told})",
                    "each segment must have the same number of files",
                    at=(next(iter(counts)),))  # fmt: skip


def _check_stdin(section: Section, files: Mapping[str, tuple[str, ...]]) -> None:
    uses = [name for name, listed in files.items() if STDIN in listed]
    if not uses:
        return
    if len(files) > 1 or len(files[uses[0]]) > 1:
        section.add(uses[0], f"invalid use of standard input ({STDIN})",
                    f"{STDIN} as the only file of the only segment")  # fmt: skip


def _check_repeated(section: Section, files: Mapping[str, tuple[str, ...]], folder: Path) -> None:
    seen: dict[str, str] = {}
    for name, listed in files.items():
        for number, one in enumerate(listed):
            same = one if "://" in one else realpath(folder / one)
            if same in seen and one != "?":
                what = f"file {shown(one)} is listed multiple times (also in {seen[same]})"
                section.add(name, what, "each file once, or options.accept_duplicate_files = true",
                            at=(name, number))  # fmt: skip
            seen.setdefault(same, name)
