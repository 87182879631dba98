"""A configuration as it is run: read from TOML, YAML or JSON, and checked as a whole.

The dialect is that of mbf-fastq-processor: `[input]`, `[output]`, `[options]`, `[barcodes.x]`,
`[benchmark]` and any number of `[[step]]`. Nothing is read but the configuration itself, so that
checking takes no time; whatever is wrong is told at once, each with its line.
"""

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from blocks.errors import InputError, InputProblems
from tasks.reads.aliases import plain
from tasks.reads.barcode_tables import read_barcodes
from tasks.reads.input_options import Input, read_input
from tasks.reads.output_options import Benchmark, OutputOptions, RunOptions, check_output
from tasks.reads.sections import Findings, Section, nearest, shown
from tasks.reads.step import StepParams, Surroundings
from tasks.reads.step_checks import Steps, read_steps
from tasks.reads.toml_places import Places, toml_places, yaml_places
from tasks.reads.whole_checks import Whole

SECTIONS = ("input", "output", "options", "barcodes", "benchmark", "step")
OTHER_NAMES = {"transform": "step", "steps": "step"}


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything a run needs to know, checked."""

    input: Input
    output: OutputOptions
    """With nothing to write in it where `[output]` is missing or a benchmark runs."""
    options: RunOptions
    barcodes: Mapping[str, Mapping[str, str]]
    benchmark: Benchmark | None
    steps: tuple[StepParams, ...]
    """With those that are added: the check of the mates' names."""
    around: tuple[Surroundings, ...]
    """What each step finds when its turn comes."""
    labels: tuple[str, ...]
    """Steps in messages and reports: `step 2 (CutStart)`."""
    streams: Mapping[int, str]
    """Bits -> infix of the file names, behind the last step."""
    folders: tuple[Path, Path] = (Path(), Path())
    """Of inputs, and of outputs."""
    text: str = field(repr=False, default="")
    """As it was written."""

    @property
    def segments(self) -> tuple[str, ...]:
        """Names of the segments, in order."""
        return self.input.segments


def read_configuration(
    path: Path, *, folder: Path = Path(), output_folder: Path | None = None
) -> Configuration:
    """The configuration in a file.

    Args:
        path: TOML, YAML or JSON, as its name says.
        folder: Against which relative paths of input files are resolved.
        output_folder: Where the prefix of outputs begins; None: the same folder.

    Raises:
        InputError: It is not there, or not TOML (YAML, JSON).
        InputProblems: All that is wrong with it.
    """
    text = configuration_text(path)
    content, places = parsed(text, path)
    folders = (folder, folder if output_folder is None else output_folder)
    return checked(content, places, file=path.name, folders=folders, text=text)


def configuration_text(path: Path) -> str:
    """The text of a configuration file."""
    try:
        return path.read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; expected a configuration") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; expected a configuration file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: byte {error.start} is no text; expected UTF-8") from None


def parsed(text: str, path: Path) -> tuple[dict[str, Any], Places]:
    """What stands in a configuration, and on which lines; the file's name tells the format."""
    try:
        match path.suffix.lower():
            case ".json":
                content, places = json.loads(text), yaml_places(text)
            case ".yaml" | ".yml":
                content, places = yaml.safe_load(text), yaml_places(text)
            case _:
                text = text.replace("\r\n", "\n")
                content, places = tomllib.loads(text), toml_places(text)
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, yaml.YAMLError) as error:
        told = " ".join(str(error).split())
        raise InputError(f"{path.name}: {told}; expected valid {_format(path)}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path.name}: no sections; expected [input], [output] and [[step]]")
    return content, places


def _format(path: Path) -> str:
    return {".json": "JSON", ".yaml": "YAML", ".yml": "YAML"}.get(path.suffix.lower(), "TOML")


def checked(
    content: Mapping[str, Any],
    places: Places,
    *,
    file: str = "configuration",
    folders: tuple[Path, Path] = (Path(), Path()),
    text: str = "",
) -> Configuration:
    """A configuration from what a file, a form or a program says.

    Args:
        content: Sections, as they come from a parser.
        places: Lines of what stands there, for messages; empty for a form.
        file: Name for messages.
        folders: Of inputs, and of outputs.
        text: As it was written, for reports.

    Raises:
        InputProblems: All that is wrong with it.
    """
    findings = Findings(file, places)
    read = _Reading(findings, _sections(content, findings), folders)
    configuration = read.configuration(text)
    if findings.problems or configuration is None:
        raise InputProblems(findings.in_order())
    return configuration


def _sections(content: Mapping[str, Any], findings: Findings) -> dict[str, tuple[str, Any]]:
    """Section -> the name under which it stands, and what stands in it."""
    found: dict[str, tuple[str, Any]] = {}
    for name, value in content.items():
        meant = OTHER_NAMES.get(plain(name), plain(name))
        if meant in SECTIONS and meant not in found:
            found[meant] = (name, value)
        else:
            what = "twice" if meant in found else "unknown key"
            findings.add((name,), name, what, nearest(name, SECTIONS))
    return found


class _Reading:
    """Reads one section after the other; a later one knows what the earlier ones gave."""

    def __init__(
        self,
        findings: Findings,
        sections: Mapping[str, tuple[str, Any]],
        folders: tuple[Path, Path],
    ) -> None:
        self.findings = findings
        self.sections = sections
        self.folders = folders

    def configuration(self, text: str) -> Configuration | None:
        """All of it; None where something is wrong, which is noted."""
        options = self._model("options", RunOptions) or RunOptions()
        benchmark = self._model("benchmark", Benchmark)
        measured = benchmark is not None and benchmark.enable
        given = self._input(options)
        output = self._output(given)
        barcodes = self._barcodes(given)
        if measured:
            output = OutputOptions(prefix="benchmark", format="None")
        steps = self._steps(given, output, options, barcodes, measured=measured)
        whole = Whole(self.findings, self._keys(), self.folders[1], given, output, options, steps)
        whole.check_options()
        if not measured:
            whole.check_purpose()
            whole.check_files()
        if given is None or steps is None:
            return None
        return Configuration(
            given, output or OutputOptions(prefix="output", format="None"), options, barcodes,
            benchmark, steps.params, steps.around, steps.labels, steps.streams, self.folders, text,
        )  # fmt: skip

    def _keys(self) -> dict[str, str]:
        """Section -> the name under which it stands."""
        return {name: written for name, (written, _) in self.sections.items()}

    def section(self, name: str) -> Section | None:
        """A section that is a table; None where it is missing or no table, which is noted."""
        if name not in self.sections:
            return None
        written, given = self.sections[name]
        if not isinstance(given, dict):
            what = f"wrong type: {shown(given)}"
            self.findings.add((written,), f"[{name}]", what, "a table")
            return None
        return Section(given, (written,), f"[{name}]", self.findings)

    def _model(self, name: str, model: Any) -> Any:  # noqa: ANN401 -- a model's class, and its instance
        section = self.section(name)
        return section.read(model) if section is not None else None

    def _input(self, options: RunOptions) -> Input | None:
        if "input" not in self.sections:
            self.findings.add((), "[input]", "missing", "[input] with at least one segment")
        section = self.section("input")
        if section is None:
            return None
        accept = options.accept_duplicate_files
        return read_input(section, self.folders[0], accept_duplicates=accept)

    def _output(self, given: Input | None) -> OutputOptions | None:
        section = self.section("output")
        output = section.read(OutputOptions) if section is not None else None
        if section is not None and output is not None:
            check_output(section, output, given.segments if given is not None else None)
        return output

    def _barcodes(self, given: Input | None) -> Mapping[str, Mapping[str, str]]:
        section = self.section("barcodes")
        return read_barcodes(section, given.segments if given else ()) if section else {}

    def _steps(
        self,
        given: Input | None,
        output: OutputOptions | None,
        options: RunOptions,
        barcodes: Mapping[str, Mapping[str, str]],
        *,
        measured: bool,
    ) -> Steps | None:
        if given is None:
            return None  # what a step may say depends on the segments
        name, listed = self.sections.get("step", ("step", []))
        if isinstance(listed, dict):
            listed = [listed]
        if not isinstance(listed, list):
            self.findings.add((name,), name, f"wrong type: {shown(listed)}", "[[step]] tables")
            return None
        prefix = output.prefix if output is not None else "output"
        around = Surroundings(
            segments=given.segments,
            tags={},
            folder=self.folders[0],
            prefix=self.folders[1] / prefix,
            barcodes=barcodes,
            separator=output.ix_separator if output is not None else "_",
            stdout=output is not None and output.stdout,
            comment=given.options.comment,
        )
        check_names = options.spot_check_read_pairing and len(given.segments) > 1 and not measured
        return read_steps(name, listed, around, self.findings, check_names=check_names)
