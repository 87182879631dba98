"""Structure files as text: which format they have, and mmCIF as PDB."""

import re
from io import StringIO
from typing import Any, Literal

from Bio.PDB.MMCIFParser import MMCIFParser
from Bio.PDB.PDBExceptions import PDBConstructionException, PDBIOException
from Bio.PDB.PDBIO import PDBIO

from blocks.errors import InputError

MAX_STRUCTURE = 20_000_000
"""Most characters of a structure."""
_ATOM = re.compile(r"^(?:ATOM  |HETATM)[ \d]{5} .{41}", re.MULTILINE)
_CIF = re.compile(r"\A(?:\s|#.*\n)*data_\S", re.IGNORECASE)
_UNREADABLE = (
    *(PDBConstructionException, PDBIOException),
    *(KeyError, ValueError, IndexError, StopIteration),
)
"""What Biopython raises for text that only looks like mmCIF, or has no place in PDB."""


def structure_format(text: str) -> Literal["pdb", "cif"]:
    """Format of a structure, by its content.

    Raises:
        InputError: It is neither, holds no atom, or is too long.
    """
    if len(text) > MAX_STRUCTURE:
        raise InputError(f"structure: {len(text)} characters; expected at most {MAX_STRUCTURE}")
    if _CIF.match(text):
        if "_atom_site." not in text:
            raise InputError("structure: mmCIF without `_atom_site`; expected one with atoms")
        return "cif"
    if _ATOM.search(text):
        return "pdb"
    raise InputError("structure: neither ATOM lines nor a `data_` block; expected PDB or mmCIF")


def as_pdb(text: str) -> str:
    """The structure in PDB format: as it is, or the first model of an mmCIF.

    Raises:
        InputError: It is no structure, or does not fit into the PDB format.
    """
    if structure_format(text) == "pdb":
        return text
    read: Any = MMCIFParser  # neither has annotations
    write: Any = PDBIO
    written = StringIO()
    try:
        structure = read(QUIET=True).get_structure("structure", StringIO(text))
        writer = write()
        writer.set_structure(next(structure.get_models()))
        writer.save(written)
    except _UNREADABLE as error:
        what = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"structure: mmCIF that cannot be written as PDB ({what[:200]}); expected a PDB file"
        ) from error
    return written.getvalue()


def field_text(text: str, name: str) -> str:
    """The structure as the field `name` of an item takes it: mmCIF for `cif`, else PDB.

    Raises:
        InputError: PDB is given for a field that takes mmCIF, or what `as_pdb` raises.
    """
    if "cif" not in name.lower():
        return as_pdb(text)
    if structure_format(text) == "pdb":
        raise InputError(f"structure: PDB; expected mmCIF, which the field {name!r} takes")
    return text
