"""What building a reference has to do: one job for each part, named by what decides its content."""

import hashlib
import json
from contextlib import ExitStack

from blocks.storage import FileRef, open_uri
from tasks.domains.reference_model import HhsuiteParams, Profiles, Source
from tasks.domains.reference_reading import ReferenceContent, read_reference
from tasks.parameters import Record

SOURCE_FILES = ("domains", "table", "chains", "chain_table")


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
