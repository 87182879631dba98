"""Reports as JSON: what `Report` steps counted, and where all molecules went."""

import os
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import orjson

from tasks.reads.configuration import Configuration
from tasks.reads.decompression import lacks_end_mark
from tasks.reads.heads import remark_on_mates, source_of
from tasks.reads.results import EngineResult


def report_json(configuration: Configuration, result: EngineResult) -> dict[str, Any]:
    """The reports by name, with what is known of the run around them."""
    pairs = zip(configuration.steps, result.stages, strict=True)
    reports = {
        str(getattr(params, "name", stage.name)): dict(stage.report)
        for params, stage in pairs
        if params.action in {"Report", "Statistics"}
    }
    return {
        "__": {
            "version": program_version(),
            "cwd": os.getcwd(),  # noqa: PTH109 -- as text
            "input_files": input_files(configuration),
            "repository": "",
        },
        **reports,
        **({"detected_adapters": found} if (found := detected_adapters(result)) else {}),
        "accounting": accounting(result),
        "run_info": {
            "program_version": program_version(),
            "input_toml": configuration.text,
            "working_directory": os.getcwd(),  # noqa: PTH109 -- as text
        },
        "report_order": list(reports),
    }


def program_version() -> str:
    """Our version; empty where the package is not installed."""
    try:
        return version("seqloom")
    except PackageNotFoundError:
        return ""


def input_files(configuration: Configuration) -> dict[str, Any]:
    """The section `[input]` as it was understood."""
    given = configuration.input
    options = given.options.model_dump(exclude_defaults=True)
    return {
        "interleaved": list(given.segments) if given.interleaved else None,
        **{name: list(files) for name, files in given.files.items()},
        **({"options": options} if options else {}),
    }


def detected_adapters(result: EngineResult) -> list[dict[str, Any]]:
    """Adapters that steps looked for themselves, and on what they are based."""
    return [
        {"step": stage.name, **stage.report["detected"]}
        for stage in result.stages
        if "detected" in stage.report
    ]


def notes(configuration: Configuration, result: EngineResult) -> Iterator[str]:
    """Lines for people: what was found in the input, and what may be wrong with it."""
    folder, _ = configuration.folders
    for name, path in configuration.input.local_files(folder).items():
        if lacks_end_mark(str(path)):
            yield f"{name}: BGZF without the mark of its end; it may be truncated"
    if (remark := remark_on_mates(source_of(configuration))) is not None:
        yield remark
    for one in detected_adapters(result):
        seen = f"in {one['reads_with_it']} of {one['reads_looked_at']} reads looked at"
        adapter = one["adapter"] or "none is cut"
        yield f"{one['step']}: adapter of {one['segment']}: {adapter} ({one['name']}; {seen})"


def accounting(result: EngineResult) -> dict[str, Any]:
    """Where every molecule went; `molecules_out` and what was dropped add up to the input."""
    return {
        "molecules_in": result.molecules_in,
        "molecules_out": result.molecules_out,
        "steps": [
            {
                "step": stage.name,
                "molecules_in": stage.molecules_in,
                "molecules_out": stage.molecules_out,
                **{key: value for key, value in stage.report.items() if _counts(value)},
            }
            for stage in result.stages
            if stage.molecules_in != stage.molecules_out or any(map(_counts, stage.report.values()))
        ],
        "ended_early": result.ended_early,
    }


def _counts(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def timing_json(result: EngineResult) -> dict[str, Any]:
    """Seconds of each step and of the engine's own work."""
    return {
        "seconds": result.seconds,
        "steps": [
            {
                "step": stage.name,
                "molecules": stage.molecules_in,
                "wall_seconds": stage.wall,
                "cpu_seconds": stage.cpu,
            }
            for stage in result.stages
        ],
        "engine": {
            name: {"wall_seconds": wall, "cpu_seconds": cpu}
            for name, (wall, cpu) in result.other.items()
        },
    }


def written_json(content: object) -> bytes:
    """JSON for people: indented, arrays and numbers of numpy as plain ones."""
    flags = orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(content, option=flags)
