"""Physico-chemical properties of a protein chain, as ExPASy's ProtParam gives them."""

from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import Any, Literal

import numpy as np
from Bio.SeqUtils.ProtParam import ProteinAnalysis
from numpy.typing import NDArray
from pydantic import Field

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET

METHOD = Method(
    name="protparam",
    version=f"1, biopython {version('biopython')}",
    columns={
        "molecular_weight": "average mass of the chain [Da]",
        "isoelectric_point": "pH without net charge, 4.05 to 12 [pH]",
        "charge": "net charge at the pH of the setting [e]",
        "gravy": "mean Kyte-Doolittle hydropathy; positive is hydrophobic",
        "aromaticity": "fraction of F, W and Y",
        "instability_index": "above 40: unstable in the test tube",
        "extinction_reduced": "at 280 nm, all cysteines reduced [1/(M cm)]",
        "extinction_oxidised": "at 280 nm, all cysteines paired [1/(M cm)]",
        "helix_fraction": "fraction of E, M, A, L, K",
        "turn_fraction": "fraction of N, P, G, S, D",
        "sheet_fraction": "fraction of V, I, Y, F, W, L, T",
    },
    description="physico-chemical properties from the composition and from dipeptides",
    source=(
        "Gasteiger et al. 2005, Protein Identification and Analysis Tools on the ExPASy Server; "
        "Biopython's Bio.SeqUtils.ProtParam"
    ),
    letters=ALPHABET,
)
_analysis: Callable[[str], Any] = ProteinAnalysis  # Biopython has no types


class ProtParam(PredictorSettings):
    """Molecular weight, isoelectric point, charge, hydropathy, stability, extinction."""

    kind: Literal["protparam"] = "protparam"
    ph: float = Field(7.4, title="pH", description="at which the charge is given", ge=0, le=14)


def protparam(params: ProtParam, sequences: Sequence[str]) -> dict[str, NDArray[np.float64]]:
    """Columns of `METHOD`, float64 of shape (n,); one Python pass per sequence."""
    rows = [_row(sequence, params.ph) for sequence in sequences]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(METHOD.columns))
    return dict(zip(METHOD.columns, table.T, strict=True))


def _row(sequence: str, ph: float) -> tuple[float, ...]:
    analysis = _analysis(sequence)
    return (
        analysis.molecular_weight(),
        analysis.isoelectric_point(),
        analysis.charge_at_pH(ph),
        analysis.gravy(),
        analysis.aromaticity(),
        analysis.instability_index(),
        *analysis.molar_extinction_coefficient(),
        *analysis.secondary_structure_fraction(),
    )
