"""The results as fastp's JSON, for programs that read it, such as MultiQC.

Keys that need steps which the configuration does not have are left out.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.reads.configuration import Configuration
from tasks.reads.results import EngineResult, StageResult

Report = Mapping[str, Any]
FASTP = "0.23.2"
"""Version whose keys these are."""
LONGEST_INSERT = 512
FAILURES = {
    "passed": "passed_filter_reads",
    "low_quality": "low_quality_reads",
    "too_many_n": "too_many_N_reads",
    "too_short": "too_short_reads",
    "too_long": "too_long_reads",
}


def fastp_json(configuration: Configuration, result: EngineResult, command: str) -> dict[str, Any]:
    """What fastp would have reported of such a run.

    The first and the last step `Statistics` stand for the reads before and after filtering.

    Args:
        configuration: Of the run.
        result: Of the run.
        command: MultiQC takes the sample's name from it: `-i` and the first input file.
    """
    steps = [
        (params.action, stage)
        for params, stage in zip(configuration.steps, result.stages, strict=True)
    ]
    tables = [stage.report for action, stage in steps if action == "Statistics"]
    segments = configuration.segments[:2]
    content: dict[str, Any] = {"summary": _summary(tables, segments)}
    content["filtering_result"] = _filtering(_of(steps, "FilterQuality", "FilterLength"), segments)
    if tables and "duplicates" in tables[0]:
        whole = max(tables[0]["molecules"], 1)
        content["duplication"] = {"rate": tables[0]["duplicates"] / whole}
    overlaps = _of(steps, "TrimAdaptersByOverlap")
    if overlaps:
        content["insert_size"] = _inserts(overlaps[0])
    content["adapter_cutting"] = _adapters(overlaps, _of(steps, "TrimAdapterSequence"), segments)
    tails = _of(steps, "TrimPolyG")
    if tails:
        content["polyx_trimming"] = _tails(tails)
    for number, name in enumerate(segments, 1):
        if tables:
            content[f"read{number}_before_filtering"] = _curves(tables[0][name])
            content[f"read{number}_after_filtering"] = _curves(tables[-1][name])
    content["command"] = command
    return content


def command_of(configuration: Configuration) -> str:
    """A command line such as fastp's, with the input files."""
    names = [files[0] for files in configuration.input.files.values() if files]
    options = [f"{option} {name}" for option, name in zip(("-i", "-I"), names, strict=False)]
    return " ".join(["fastp", *options])


def _of(steps: Sequence[tuple[str, StageResult]], *actions: str) -> list[Report]:
    return [stage.report for action, stage in steps if action in actions]


def _summary(tables: Sequence[Report], segments: Sequence[str]) -> dict[str, Any]:
    cycles = [str(table[name]["cycles"]) for table in tables[:1] for name in segments]
    paired = len(segments) > 1
    summary: dict[str, Any] = {
        "fastp_version": FASTP,
        "sequencing": f"{'paired' if paired else 'single'} end"
        f" ({' cycles + '.join(cycles)} cycles)",
    }
    if tables:
        summary["before_filtering"] = _totals(tables[0], segments)
        summary["after_filtering"] = _totals(tables[-1], segments)
    return summary


def _totals(table: Report, segments: Sequence[str]) -> dict[str, Any]:
    parts = [table[name] for name in segments]

    def total(key: str) -> int:
        return sum(part[key] for part in parts)

    bases = max(total("bases"), 1)
    totals: dict[str, Any] = {
        "total_reads": total("reads"),
        "total_bases": total("bases"),
        "q20_bases": total("q20_bases"),
        "q30_bases": total("q30_bases"),
        "q20_rate": total("q20_bases") / bases,
        "q30_rate": total("q30_bases") / bases,
    }
    for number, part in enumerate(parts, 1):
        totals[f"read{number}_mean_length"] = part["bases"] // max(part["reads"], 1)
    totals["gc_content"] = total("gc_bases") / bases
    return totals


def _filtering(reports: Sequence[Report], segments: Sequence[str]) -> dict[str, int]:
    """Reads by reason; what the last filter passes has passed all."""
    counts = {
        key: sum(report[name] for report in reports) * len(segments)
        for name, key in FAILURES.items()
    }
    if reports:
        counts["passed_filter_reads"] = reports[-1]["passed"] * len(segments)
    return counts


def _inserts(report: Report) -> dict[str, Any]:
    sizes = report["insert_sizes"]
    known = sizes[:LONGEST_INSERT]
    return {
        "peak": max(range(len(known)), key=known.__getitem__),
        "unknown": sizes[LONGEST_INSERT],
        "histogram": known,
    }


def _adapters(
    overlaps: Sequence[Report], sequences: Sequence[Report], segments: Sequence[str]
) -> dict[str, Any]:
    reads = sum(report["trimmed"] for report in overlaps) * len(segments)
    reads += sum(report["trimmed"] for report in sequences)
    bases = sum(report["trimmed_bases"] for report in (*overlaps, *sequences))
    found = [report["detected"] for report in sequences if "detected" in report]
    detected = {
        f"read{segments.index(one['segment']) + 1}_adapter_sequence": one["adapter"]
        for one in found
        if one["adapter"] and one["segment"] in segments
    }
    return {"adapter_trimmed_reads": reads, "adapter_trimmed_bases": bases, **detected}


def _tails(reports: Sequence[Report]) -> dict[str, int]:
    return {
        "total_polyx_trimmed_reads": sum(report["trimmed"] for report in reports),
        "total_polyx_trimmed_bases": sum(report["trimmed_bases"] for report in reports),
    }


def _curves(part: Report) -> dict[str, Any]:
    return {
        "total_reads": part["reads"],
        "total_bases": part["bases"],
        "q20_bases": part["q20_bases"],
        "q30_bases": part["q30_bases"],
        "total_cycles": part["cycles"],
        "quality_curves": {"mean": part["mean_quality"]},
        "content_curves": part["content"],
    }
