"""What only shows when all sections of a configuration are seen together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.reads.file_names import (
    NAME_BYTES,
    UNFINISHED,
    bytes_behind,
    read_outputs,
    report_paths,
    too_long,
)
from tasks.reads.input_options import Input
from tasks.reads.output_options import OutputOptions, RunOptions
from tasks.reads.sections import Findings, shown
from tasks.reads.step_checks import Steps
from tasks.reads.toml_places import Key


@dataclass(frozen=True, slots=True)
class Whole:
    """All sections; None stands for one that is missing or has mistakes of its own."""

    findings: Findings
    written: Mapping[str, str]
    """Section -> the name under which it stands."""
    folder: Path
    """Of outputs."""
    input: Input | None
    output: OutputOptions | None
    options: RunOptions
    steps: Steps | None

    def check_options(self) -> None:
        """Note what means nothing here, but breaks rules of the dialect."""
        if self.input is None:
            return
        size = self.options.block_size
        if self.input.interleaved and "block_size" in self.options.model_fields_set and size % 2:
            key = (self.written["options"], "block_size")
            what = f"{size} with interleaved input"
            self.findings.add(key, "[options], block_size", what, "a multiple of 2")
        heads = self.steps.of("Head") if self.steps is not None else []
        if self.input.options.build_rapidgzip_index and heads:
            what = "conflicts with build_rapidgzip_index = true"
            self.findings.add(heads[0], "Head", what, "one of them")

    def check_files(self) -> None:
        """Note files without a name of their own."""
        if self.input is None or self.output is None or self.steps is None:
            return
        reports = report_paths(self.output, self.folder).values()
        names = dict.fromkeys(reports, "the report")
        prefix: Key = (self.written["output"], "prefix")
        written = [(prefix, path, UNFINISHED) for path in reports]
        segments, streams = self.input.segments, self.steps.streams
        for series in read_outputs(self.output, segments, streams, self.folder):
            for stem in series.stems.values():
                path = stem.with_name(stem.name + series.suffix)
                written.append((prefix, path, bytes_behind(series)))
                if path in names:
                    what = f"two files are called {path.name}"
                    expected = "names that differ: of streams, or by ix_separator"
                    self.findings.add((self.written["output"],), "[output]", what, expected)
                names[path] = "a file of reads"
        for key, path in self.steps.files():
            if path in names:
                what = f"is written by {names[path]} already"
                self.findings.add(key, path.name, what, "another infix")
            names[path] = "another step"
            written.append((key, path, UNFINISHED))
        self._check_lengths(written)

    def _check_lengths(self, written: Sequence[tuple[Key, Path, int]]) -> None:
        """Note names that no file can have; of each place in the configuration the first one."""
        noted: set[Key] = set()
        for key, path, behind in written:
            if key not in noted and too_long(path, behind):
                noted.add(key)
                what = f"the name of a file is too long: {shown(path.name)}"
                most = NAME_BYTES - behind
                expected = f"{most} bytes at most: a shorter prefix, infix or barcode's name"
                self.findings.add(key, "output files", what, expected)

    def check_purpose(self) -> None:
        """Note runs that write nothing, and reports without files or files without reports."""
        if "output" in self.written and self.output is None:
            return
        section = self.written.get("output", "output")
        flags = [
            name for name in ("report_html", "report_json") if getattr(self.output, name, False)
        ]
        reports = self.steps.of("Report") if self.steps is not None else []
        if reports and not flags:
            expected = "report_json or report_html = true in [output]"
            self.findings.add(reports[0], "Report", "no report is written", expected)
        if (
            flags
            and self.steps is not None
            and not {"Report", "Statistics"} & set(self.steps.tried)
        ):
            what = "report requested, but there is no report step"
            expected = "a step Report, or no report_json and report_html"
            self.findings.add((section, flags[0]), f"[output], {flags[0]}", what, expected)
        reads = self.output is not None and self.output.names_segments()
        if not (reads or flags or (self.steps is not None and self.steps.write_files())):
            what = "no output files and no reports requested: nothing to do"
            expected = "output files, reports or an enabled [benchmark]"
            self.findings.add((section,), "[output]", what, expected)
