"""The confidence that structure predictors write into their structures."""

import re
from typing import Literal

import numpy as np

_NUMBER = re.compile(r"-?\d+(\.\d*)?")
_NEEDED = frozenset({"label_atom_id", "B_iso_or_equiv"})


def mean_b_factor(text: str, kind: Literal["pdb", "cif"]) -> float:
    """Mean B-factor of the C-alpha atoms, where predictors write pLDDT; NaN if none is found.

    The scale (0 to 1, or 0 to 100) is that of the file. Of several models all atoms count.
    """
    found = _of_pdb(text) if kind == "pdb" else _of_cif(text)
    if not found or not all(_NUMBER.fullmatch(cell) for cell in found):
        return float("nan")
    return float(np.mean([float(cell) for cell in found]))


def _of_pdb(text: str) -> list[str]:
    """Columns 13-16 name the atom, 61-66 hold its B-factor."""
    lines = (line for line in text.splitlines() if line.startswith("ATOM  "))
    return [line[60:66].strip() for line in lines if line[12:16] == " CA "]


def _of_cif(text: str) -> list[str]:
    """From the `_atom_site` loop, whose values hold no blanks in what predictors write."""
    names: list[str] = []
    found: list[str] = []
    for line in text.splitlines():
        if line.startswith("_atom_site."):
            names.append(line.split()[0].removeprefix("_atom_site."))
        elif line.startswith("ATOM ") and _NEEDED.issubset(names):
            row = dict(zip(names, line.split(), strict=False))
            if row.get("label_atom_id", "").strip("\"'") == "CA":
                found.append(row.get("B_iso_or_equiv", ""))
    return found
