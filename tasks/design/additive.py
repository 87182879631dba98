"""What the substitutions of a variant do together, if their measured effects add up."""

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET

METHOD = Method(
    name="additive",
    version="1",
    columns={
        "additive_score": "sum of the effects of its substitutions; those not measured count 0; "
        "NaN where the lengths differ [units of the effects]",
        "unmeasured": "substitutions without a measured effect; NaN where the lengths differ",
    },
    description="sum of measured effects of single substitutions",
    source="additive model of mutational effects, Wells 1990, doi:10.1021/bi00489a001",
    letters=ALPHABET,
    needs_parent=True,
)


class Additive(PredictorSettings):
    """Sum of measured effects of the substitutions, such as those of `variants`."""

    kind: Literal["additive"] = "additive"
    effects: dict[Annotated[str, Field(pattern=r"^[A-Z][1-9][0-9]{0,5}[A-Z]$")], float] = Field(
        title="Effects",
        description='by substitution, as in {"A31V": 0.8}; the best are the largest',
        min_length=1,
    )


def additive(
    params: Additive, sequences: Sequence[str], parent: str
) -> dict[str, NDArray[np.float64]]:
    """Columns of `METHOD`, float64 of shape (n,)."""
    scores, unknown = np.full((2, len(sequences)), np.nan)
    for row, sequence in enumerate(sequences):
        if len(sequence) != len(parent):
            continue
        found = [
            params.effects.get(f"{old}{place}{new}")
            for place, (old, new) in enumerate(zip(parent, sequence, strict=True), 1)
            if old != new
        ]
        known = [effect for effect in found if effect is not None]
        scores[row], unknown[row] = sum(known), len(found) - len(known)
    return dict(zip(METHOD.columns, (scores, unknown), strict=True))
