"""What every predictor says of itself, and the settings all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import Field

from tasks.parameters import Params


class PredictorSettings(Params):
    """Settings of every predictor."""

    prefix: str = Field(
        "",
        title="Prefix",
        description="put before each column's name, to run one predictor twice, e.g. ph5_",
        pattern=r"^([a-z][a-z0-9_]{0,29})?$",
    )


@dataclass(frozen=True, slots=True)
class Method:
    """How a predictor works; `version` changes whenever its numbers may change."""

    name: str
    version: str
    columns: Mapping[str, str]
    """Name of each column -> what it holds, with its unit."""
    description: str
    source: str
    """Paper, or program, that defines it."""
    letters: str
    """Letters that a sequence, and the parent, may hold."""
    needs_parent: bool = False
    needs_profile: bool = False
    max_length: int = 100_000
    """Longest sequence taken [residues]; longer ones fail."""
    text_columns: frozenset[str] = frozenset()
    """Columns that hold text; all others hold float64, or vectors."""
    vector_sizes: Mapping[str, int] = field(default_factory=dict)
    """Columns that hold float32 vectors -> their dimension, 0 where it is not known before."""
