"""Parameters and results of the report on runs, and of the notes that alerts leave."""

from typing import Literal
from zoneinfo import available_timezones

from pydantic import Field, field_validator

from tasks.parameters import Params, Record

Measure = Literal["success_rate", "p95_s"]


class Band(Params):
    """Where the rate of success and the times of a pipeline's runs should stay."""

    pipeline: str = Field(
        "", title="Pipeline", description="its name; empty: each that has no band of its own"
    )
    min_success_rate: float = Field(
        0.9, ge=0, le=1, title="Success rate", description="least share of runs that complete"
    )
    max_p95_ratio: float = Field(
        2.0, gt=1, title="Slower by",
        description="most that the 95th percentile of times may be of its median in weeks before",
    )  # fmt: skip
    max_p95_s: float | None = Field(
        None, gt=0, title="Time limit", description="most that this percentile may be at all [s]"
    )
    fewest_runs: int = Field(
        5, ge=1, title="Fewest runs", description="with fewer in a week nothing is judged"
    )


class OpsParams(Params):
    """Which runs are reported on, and what is out of the ordinary."""

    days: int = Field(
        56, ge=7, le=730, title="Days", description="that are looked back on, today among them"
    )
    recent_days: int = Field(
        7, ge=1, le=90, title="Recent days", description="whose runs are judged, today among them"
    )
    by: Literal["day", "week"] = Field("day", title="Trend by")
    zone: str = Field("UTC", title="Time zone", description="of days and weeks: Europe/Berlin")
    pipeline: str = Field("", title="Pipeline", description="only this one; empty: all")
    bands: tuple[Band, ...] = Field(
        (Band(),), title="Bands", description="an event tells when a pipeline leaves its band"
    )

    @field_validator("zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in available_timezones():
            raise ValueError(f"{value!r}: not known; expected one such as UTC or Europe/Berlin")
        return value

    @field_validator("bands")
    @classmethod
    def _one_for_each(cls, bands: tuple[Band, ...]) -> tuple[Band, ...]:
        names = [band.pipeline for band in bands]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            told = f"pipeline {twice!r}" if twice else "all pipelines"
            raise ValueError(f"two bands for {told}; expected one")
        return bands


class BandLeft(Record):
    """A rate or a time that is out of its band; the payload of the event `seqloom.band.left`."""

    pipeline: str
    measure: Measure
    value: float
    bound: float
    runs: int
    """Recent runs that it was measured on."""
    told: str
    """The same as a sentence."""


class OpsResult(Record):
    """What a report came to."""

    folder: str = ""
    page: str = ""
    runs: int = 0
    pipelines: int = 0
    left: tuple[BandLeft, ...] = ()
    digests: dict[str, str] = Field({})
    """SHA-256 of each table."""


class NoteParams(Params):
    """What is to be noted; texts, for what automations make of an event is text."""

    pipeline: str = Field(max_length=200, title="Pipeline")
    measure: Measure = Field(title="Measure")
    told: str = Field(min_length=1, max_length=2_000, title="Told", description="what it came to")


class NoteResult(Record):
    """The note as it was shown."""

    told: str
