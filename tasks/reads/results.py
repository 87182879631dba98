"""What a run is told, and what it tells."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.reads.open_files import FailureOnDemand
from tasks.reads.outputs import Written


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    molecules: int
    """That were read."""
    blocks_under_way: int
    bytes_under_way: int
    seconds: float


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a run is carried out; none of it changes the results."""

    workers: int = field(default_factory=lambda: os.cpu_count() or 1)
    """Threads for steps; reading has one more, and compressing where there is one worker."""
    block_size: int = 4096
    """Molecules."""
    max_blocks: int | None = None
    """Blocks that are read and not yet written; None: some for each worker."""
    max_bytes: int | None = None
    """Bytes of their texts; None: 8 MB, and as many for each worker."""
    overwrite: bool = False
    """Replace output files that exist."""
    progress: Callable[[Progress], None] | None = None
    """Called by the thread of `run`, now and then."""
    progress_seconds: float = 1.0
    conclude: "Callable[[EngineResult], None] | None" = None
    """Called when all is written, before files get their names; what it raises leaves none."""
    failure: FailureOnDemand | None = None
    """When writing is to fail."""


@dataclass(frozen=True, slots=True)
class StageResult:
    """What a stage did."""

    name: str
    molecules_in: int
    molecules_out: int
    wall: float
    """Seconds, summed over all threads."""
    cpu: float
    report: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class EngineResult:
    """What a run did."""

    molecules_in: int
    """In blocks that mattered."""
    molecules_out: int
    """That came out behind the last stage."""
    ended_early: bool
    """A stage had enough before the end of the input."""
    stages: tuple[StageResult, ...]
    files: tuple[Written, ...]
    seconds: float
    other: Mapping[str, tuple[float, float]]
    """Wall and CPU seconds of the engine's own work."""
