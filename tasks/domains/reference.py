"""A built reference: its folder, its manifest, its tables.

REFERENCE.json        what it is; written last
domains.parquet       one row per domain       (`tasks.domains.reference_tables`)
chains.parquet        one row per domain of a chain
domains.fasta         sequences of the domains, under their ids
chains.fasta          sequences of the chains, where they were given
blast/domains.*       BLAST databases
blast/chains.*
hhsuite/reference_{a3m,hhm,cs219}.ff{data,index}
hhsuite/alignments_{a3m,cs219}.ff{data,index}    links; what is searched where there is a _hhm
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pydantic import ValidationError

from blocks.errors import InputError
from tasks.domains.evidence import Source
from tasks.domains.reference_model import FORMAT, ReferenceFile, ReferenceManifest
from tasks.domains.reference_tables import ReferenceTables, load_tables

MANIFEST = "REFERENCE.json"
SEARCHED = "alignments"
BUILD = "expected a folder that reference/build has made"
FINGERPRINT_LETTERS = 16


@dataclass(frozen=True)
class Reference:
    """A reference that is whole."""

    folder: Path
    manifest: ReferenceManifest

    @cached_property
    def tables(self) -> ReferenceTables:
        """Domains and chains; read when they are first asked for."""
        return load_tables(self.folder, self.manifest.levels)

    def has_blast(self, source: Source) -> bool:
        """Whether there is a BLAST database of the domains or chains."""
        manifest = self.manifest
        return manifest.blast_chains if source == "chain_blast" else manifest.blast_domains

    def has_sequences(self, source: Source) -> bool:
        """Whether there is anything to search: chains may not have been given."""
        return source != "chain_blast" or self.manifest.chains > 0

    def blast_database(self, source: Source) -> Path:
        """The path that blastp takes."""
        return self.folder / "blast" / ("chains" if source == "chain_blast" else "domains")

    def fasta(self, source: Source) -> Path:
        """The sequences of the chains (chain_blast) or domains."""
        return self.folder / ("chains.fasta" if source == "chain_blast" else "domains.fasta")

    @property
    def hhsuite_database(self) -> Path:
        """The path that hhsearch takes; where there are profiles, the same database without them.

        With `_hhm` hhsearch would read these, whose numbers are rounded: scores differ by some
        percent from those of the alignments, which the confidences were calibrated on.
        """
        without = f"hhsuite/{SEARCHED}_a3m.ffindex"
        name = SEARCHED if without in self.manifest.files else "reference"
        return self.folder / "hhsuite" / name

    def require_hhsuite(self) -> None:
        """Raise where HHsearch has nothing to search.

        Raises:
            InputError: The reference was built without profiles.
        """
        if not self.manifest.hhsuite:
            raise InputError(
                f"{self.folder}: has no HH-suite database; expected a reference built with "
                "profiles, or the mode BLAST_ONLY"
            )


def open_reference(folder: str | Path) -> Reference:
    """A reference whose files are all there with the sizes that its manifest tells.

    Raises:
        InputError: There is none, or a file is missing or was cut.
    """
    place = Path(folder).resolve()  # a newer build moves the link, not what is behind it
    path = place / MANIFEST
    if not path.is_file():
        raise InputError(f"{folder}: has no {MANIFEST}; {BUILD}")
    manifest = _manifest(path)
    for name, file in manifest.files.items():
        found = place / name
        if not found.is_file():
            raise InputError(f"{found}: is missing; {BUILD}: build it again")
        if (size := found.stat().st_size) != file.bytes:
            told = f"has {size} bytes, its manifest tells {file.bytes}"
            raise InputError(f"{found}: {told}; {BUILD}: build it again")
    return Reference(place, manifest)


def _manifest(path: Path) -> ReferenceManifest:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("format") != FORMAT:
            told = f"has format {content.get('format')!r}"
            raise InputError(f"{path}: {told}; expected {FORMAT}: build the reference again")
        return ReferenceManifest.model_validate(content)
    except (ValueError, ValidationError) as error:
        reason = " ".join(str(error).split())[:200]
        raise InputError(f"{path}: cannot be read ({reason}); {BUILD}") from None


def changed_files(reference: Reference, unread: tuple[str, ...] = ()) -> list[str]:
    """Files whose content is not what the manifest tells; all are read.

    Args:
        unread: How the names begin that are left out.
    """
    return [
        name
        for name, file in reference.manifest.files.items()
        if not name.startswith(unread) and file_digest(reference.folder / name) != file.digest
    ]


def listed_files(folder: Path) -> dict[str, ReferenceFile]:
    """All files of a folder but the manifest, with sizes and digests."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name != MANIFEST:
            name = path.relative_to(folder).as_posix()
            found[name] = ReferenceFile(bytes=path.stat().st_size, digest=file_digest(path))
    return found


def file_digest(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def fingerprint(parts: Mapping[str, object]) -> str:
    """Short digest of what decides what a search in a reference finds."""
    text = json.dumps(parts, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:FINGERPRINT_LETTERS]
