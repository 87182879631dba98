"""What the page and the manifest tell of a run: input, parameters, versions, what is remarkable."""

import platform
from collections.abc import Sequence
from importlib.metadata import version

from tasks.domains.batch_page import BatchPage
from tasks.domains.calibration import read_calibration
from tasks.domains.calibration_bins import measured_frame, measured_note
from tasks.domains.outcome import Read
from tasks.domains.planning import Prepared

LIBRARIES = ("seqloom", "biopython", "pyarrow", "prefect")


def shown_of(
    run: Prepared, read: Read, files: Sequence[str], seconds: float, began: str
) -> BatchPage:
    """What the page tells besides the proteins."""
    manifest, params = run.reference.manifest, run.params
    calibration = read_calibration()
    facts = {
        "batch": params.batch_name,
        "input": params.input.place,
        "mode": params.mode,
        "reference": f"{manifest.name}, {manifest.domains:,} domains, {manifest.chains:,} chains",
        "fingerprint of the reference": manifest.fingerprint,
        **{f"version of {name}": text for name, text in versions_of(run).items()},
        **{f"partition: {name}": str(value) for name, value in params.partition.told().items()},
        **{
            f"{part}: {name}": str(value)
            for part, given in params.search
            if hasattr(given, "model_fields_set")
            for name, value in given
            if value != ""
        },
    }
    return BatchPage(
        batch=params.batch_name,
        subtitle=f"{params.mode} against {manifest.name}, {began}",
        seconds=seconds,
        levels=manifest.levels,
        calibration=measured_frame(calibration),
        calibration_note=measured_note(calibration),
        notes=_notes(run, read),
        facts=facts,
        files=files,
    )


def _notes(run: Prepared, read: Read) -> list[str]:
    notes = [*run.reference.manifest.notes, *read.remarks()]
    if run.files.waiting:
        notes.append(f"{len(run.files.waiting):,} files had just changed; the next run takes them.")
    if "phmmer" in run.versions:
        notes.append("BLAST+ is not installed or not asked for: phmmer searched in its place.")
    return notes


def versions_of(run: Prepared) -> dict[str, str]:
    """Versions of programs, libraries and the reference that a run has used."""
    built = {f"reference {run.reference.manifest.name}": run.ref.fingerprint}
    libraries = {name: version(name) for name in LIBRARIES}
    return {"python": platform.python_version(), **libraries, **run.versions, **built}
