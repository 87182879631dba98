"""What building a reference has to do: one job for each part, checked before work begins."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

from blocks.errors import InputError
from blocks.program_places import require_programs
from blocks.programs import program_version
from blocks.settings import settings
from blocks.storage import FileRef, open_uri, refer
from tasks.domains.profile_building import given_alignments
from tasks.domains.reference_model import (
    GivenProfiles,
    HhsuiteParams,
    JackhmmerProfiles,
    MmseqsProfiles,
    NoProfiles,
    Profiles,
    ReferenceParams,
    Source,
)
from tasks.domains.reference_parts import require_free
from tasks.domains.reference_reading import ReferenceContent, read_reference
from tasks.parameters import Record
from tasks.results import require_writable

REFERENCES = "references"
PARTS = ".parts"
SOURCE_FILES = ("domains", "table", "chains", "chain_table")
HH_PROGRAMS = ("hhsearch", "hhmake", "ffindex_apply")


class TablesJob(Record):
    """Read the inputs; write tables and sequences."""

    source: Source
    files: dict[str, FileRef]
    """Field of the source -> file."""
    folder: str = ""

    def identity(self) -> dict[str, object]:
        """What the part depends on: contents, not places."""
        named = set(SOURCE_FILES)
        return {
            "source": self.source.model_dump(mode="json", exclude=named),
            "files": {name: ref.digest for name, ref in self.files.items()},
        }

    def content(self) -> ReferenceContent:
        """What stands in the files.

        Raises:
            InputProblems: All that is wrong with them.
        """
        with ExitStack() as stack:
            opened = {
                name: (ref.uri.rsplit("/", 1)[-1], stack.enter_context(open_uri(ref.uri)))
                for name, ref in self.files.items()
            }
            return read_reference(self.source, opened)


class BlastJob(Record):
    """Make a BLAST database."""

    kind: str
    """domains or chains."""
    sequences: str
    """Digest of ids and sequences."""
    version: str
    tables: str
    """Folder of the part with the sequences."""
    time_limit_s: float
    folder: str = ""

    def identity(self) -> dict[str, object]:
        """What the part depends on."""
        return {"kind": self.kind, "sequences": self.sequences, "version": self.version}


class ProfilesJob(Record):
    """Make an alignment of each domain."""

    params: Profiles
    domains: str
    """Digest of ids and sequences."""
    universe: tuple[str, ...]
    """Digests of what is searched."""
    searched: tuple[str, ...]
    """Its files; empty: those of the tables."""
    version: str
    tables: str
    threads: int
    time_limit_s: float
    folder: str = ""

    @property
    def settings(self) -> str:
        """Digest of what decides an alignment besides the domain's own sequence."""
        decisive = self.params.model_dump(mode="json", exclude={"sequences", "memory_gb", "folder"})
        text = json.dumps([decisive, self.universe, self.version], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def identity(self) -> dict[str, object]:
        """What the part depends on."""
        return {"settings": self.settings, "domains": self.domains}


class HhsuiteJob(Record):
    """Put the HH-suite database together."""

    params: HhsuiteParams
    profiles: ProfilesJob
    version: str
    folder: str = ""

    @property
    def settings(self) -> str:
        """Digest of what decides a profile or a state besides the alignment."""
        text = json.dumps([self.version, self.params.states])
        return hashlib.sha256(text.encode()).hexdigest()

    def identity(self) -> dict[str, object]:
        """What the part depends on; where profiles lie does not matter."""
        return {
            "profiles": self.profiles.identity(),
            "settings": self.settings,
            "hmms": self.params.hmms,
        }


class ReferenceJobs(Record):
    """All jobs of a build, without the parts' folders."""

    place: str
    """Folder of references."""
    tables: TablesJob
    blast: tuple[BlastJob, ...]
    profiles: ProfilesJob | None
    hhsuite: HhsuiteJob | None
    domains: int
    chains: int
    notes: tuple[str, ...]
    versions: dict[str, str]


def jobs_of(params: ReferenceParams) -> ReferenceJobs:
    """The jobs of a build; all inputs are read and checked, all programs looked for.

    Raises:
        InputError: A program or file is missing, or the folder cannot be written.
        InputProblems: All that is wrong with the inputs.
    """
    versions = _versions(params)
    place = references_folder(params.folder)
    require_free(place / params.name)
    if not params.dry_run:
        require_writable(str(place))
    root = settings().data
    named = {name: str(getattr(params.source, name, "")) for name in SOURCE_FILES}
    files = {name: refer(uri, root) for name, uri in named.items() if uri}
    tables = TablesJob(source=params.source, files=files)
    content = tables.content()
    chains: dict[str, str] = dict(
        content.chain_sequences[["id", "sequence"]].itertuples(index=False)
    )
    digests = {"domains": _digest(_sequences(content)), "chains": _digest(chains)}
    kinds = ["domains", *(["chains"] if len(content.chain_sequences) else [])]
    profiles = _profiles_job(params, content, digests, versions, root)
    return ReferenceJobs(
        place=str(place),
        tables=tables,
        blast=tuple(
            BlastJob(
                kind=kind, sequences=digests[kind], version=versions["makeblastdb"], tables="",
                time_limit_s=params.time_limit_s,
            )
            for kind in kinds if params.blast
        ),
        profiles=profiles,
        hhsuite=HhsuiteJob(params=params.hhsuite, profiles=profiles, version=versions["hhsearch"])
        if profiles is not None
        else None,
        domains=len(content.domains),
        chains=len(content.chain_sequences),
        notes=content.notes,
        versions=versions,
    )  # fmt: skip


def references_folder(folder: str = "") -> Path:
    """Where references are: a folder on this machine, for programs read them.

    Raises:
        InputError: Results go to a remote place, and no folder is named.
    """
    if folder:
        return Path(folder).absolute()
    root = settings().results
    if "://" in root:
        raise InputError(
            f"folder: empty, and results go to {root}; expected a folder on this machine"
        )
    return Path(root, REFERENCES)


def _versions(params: ReferenceParams) -> dict[str, str]:
    """Versions of the programs that will be run; raises where one is missing."""
    from importlib.metadata import version

    versions = {}
    if params.blast:
        require_programs("makeblastdb")
        versions["makeblastdb"] = program_version("makeblastdb")
    match params.profiles:
        case NoProfiles():
            return versions
        case MmseqsProfiles():
            require_programs("mmseqs")
            versions["mmseqs"] = program_version("mmseqs")
        case JackhmmerProfiles():
            versions["jackhmmer"] = f"pyhmmer {version('pyhmmer')}"
    states = ["cstranslate"] if params.hhsuite.states == "cstranslate" else []
    require_programs(*HH_PROGRAMS, *states)
    versions["hhsearch"] = program_version("hhsearch")
    return versions


def _profiles_job(
    params: ReferenceParams,
    content: ReferenceContent,
    digests: Mapping[str, str],
    versions: Mapping[str, str],
    root: str,
) -> ProfilesJob | None:
    """The job of the alignments; None where none are wanted."""
    universe: tuple[str, ...] = ()
    searched: tuple[str, ...] = ()
    wanted = params.profiles
    match wanted:
        case NoProfiles():
            return None
        case GivenProfiles():
            placed = str(_placed(wanted.folder, root))
            wanted = wanted.model_copy(update={"folder": placed})
            given = given_alignments(_sequences(content), Path(placed))
            universe = (_digest(dict(given)),)
        case MmseqsProfiles() | JackhmmerProfiles():
            if wanted.sequences:
                ref = refer(wanted.sequences, root)
                if "://" in ref.uri:
                    raise InputError(f"{ref.uri}: is remote; expected a file on this machine")
                universe, searched = (ref.digest,), (ref.uri,)
            else:
                universe = (digests["domains"], digests["chains"])
    return ProfilesJob(
        params=wanted,
        domains=digests["domains"],
        universe=universe,
        searched=searched,
        version=versions.get("mmseqs") or versions.get("jackhmmer", ""),
        tables="",
        threads=params.threads,
        time_limit_s=params.time_limit_s,
    )


def _sequences(content: ReferenceContent) -> dict[str, str]:
    """Domain -> sequence, in their order."""
    return dict(content.domains[["domain_id", "sequence"]].itertuples(index=False))


def _placed(path: str, root: str) -> Path:
    return Path(path) if Path(path).is_absolute() else Path(root, path)


def _digest(text_by_id: Mapping[str, str]) -> str:
    text = json.dumps(text_by_id, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
