"""The files of a batch while they are written, protein by protein and chunk by chunk."""

import gzip
import re
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from hashlib import sha256
from typing import IO, Any, Self

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tasks.domains.archive import Archive
from tasks.domains.calls import Annotation
from tasks.domains.ecod_xml import EcodXml, hit_lines
from tasks.domains.gathered import Gathered
from tasks.domains.initialise import length_class
from tasks.domains.rows import (
    EVIDENCE_NUMBERS,
    EVIDENCE_TEXTS,
    FAILED_COLUMNS,
    PROTEIN_COLUMNS,
    UNASSIGNED_COLUMNS,
    annotation_json,
    domain_columns,
    domain_rows,
    evidence_texts,
    protein_row,
    unassigned_rows,
)
from tasks.results import RunFolder, append_csv

WHOLE_NUMBERS = {
    "number", "length", "reference_length", "domains", "assigned", "evidence", "identities",
    "aligned", "hsp_count",
}  # fmt: skip
REALS = {"confidence", "evalue", "probability", "coverage", "identity", "bitscore"}
LONGEST_NAME = 80
"""Letters of a protein's id in the name of its XML."""


@dataclass(frozen=True, slots=True)
class ProteinInfo:
    """What the input says of a protein."""

    id: str
    sequence: str
    description: str
    source: str


@dataclass
class BatchFiles:
    """Writers of all tables; rows wait for `flush`, files are whole at the end of the block."""

    folder: RunFolder
    levels: Sequence[str]
    metadata: Mapping[str, str]
    parameters: Mapping[str, object]
    gathered: Gathered
    _rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    _open: ExitStack = field(default_factory=ExitStack)
    _texts: dict[str, IO[bytes]] = field(default_factory=dict)
    _parquet: dict[str, pq.ParquetWriter] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._xml = EcodXml(self.metadata, self.parameters)
        self._columns = {
            "domains.tsv": domain_columns(self.levels),
            "proteins.tsv": PROTEIN_COLUMNS,
            "unassigned.tsv": UNASSIGNED_COLUMNS,
        }
        for name, columns in self._columns.items():
            self._texts[name] = self._file(name)
            append_tsv(self._texts[name], _typed([], columns), header=True)
        for name, columns in (
            ("domains.parquet", self._columns["domains.tsv"]),
            ("evidence.parquet", (*EVIDENCE_TEXTS, *EVIDENCE_NUMBERS)),
        ):
            schema = pa.Schema.from_pandas(_typed([], columns), preserve_index=False)
            path = self.folder.file(name)
            writer = pq.ParquetWriter(path, schema.remove_metadata(), compression="zstd")
            self._parquet[name] = self._open.enter_context(writer)
        packed = gzip.GzipFile("", "wb", 3, self._file("domains.jsonl.gz"), mtime=0)
        self._lines = self._open.enter_context(packed)
        self._summaries, self._partitions = (
            self._open.enter_context(Archive(f"xml/{name}", self.folder.file))
            for name in ("summaries", "partitions")
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def _file(self, name: str) -> IO[bytes]:
        return self._open.enter_context(self.folder.file(name).open("wb"))

    def protein(self, about: ProteinInfo, made: Annotation, hits: Sequence[str]) -> None:
        """Take in a protein with its hits, as `evidence` gave them."""
        self.gathered.add(made)
        self._add("domains.tsv", domain_rows(made))
        self._add("unassigned.tsv", unassigned_rows(made))
        self._add("proteins.tsv", [protein_row(made) | self._about(about)])
        self._lines.write(orjson.dumps(annotation_json(made)) + b"\n")
        name = xml_name(about.id)
        summary = self._xml.summary(about.id, about.sequence, hits)
        self._summaries.add(f"{name}.domain_summary.xml", summary)
        partition = self._xml.partition(made)
        self._partitions.add(f"{name}.domain_partition.xml", partition)

    def failed(self, about: ProteinInfo, stage: str, error: str) -> None:
        """Take in a protein without a result."""
        self.gathered.add_failed(about.id, len(about.sequence), stage, error)
        row = {
            "protein": about.id, "length": len(about.sequence), "outcome": "failed", "domains": 0,
            "assigned": 0, "coverage": 0.0, "evidence": 0, "reason": f"{stage}: {error}",
        }  # fmt: skip
        self._add("proteins.tsv", [row | self._about(about)])
        values = (about.id, about.sequence, about.description, stage, error)
        self._add("failed.csv", [dict(zip(FAILED_COLUMNS, values, strict=True))])

    def evidence(self, frame: pd.DataFrame) -> dict[str, list[str]]:
        """Take in the evidence of a chunk; by protein, what its summary holds."""
        texts = evidence_texts(frame)
        columns = (*EVIDENCE_TEXTS, *EVIDENCE_NUMBERS)
        self._write_parquet("evidence.parquet", _typed(texts, columns))
        hits: dict[str, list[str]] = {}
        for protein, line in zip(texts["protein"].tolist(), hit_lines(texts), strict=True):
            hits.setdefault(protein, []).append(line)
        return hits

    def flush(self) -> None:
        """Write the rows that wait."""
        for name, rows in self._rows.items():
            if name == "failed.csv":
                header = name not in self._texts
                if header:
                    self._texts[name] = self._file(name)
                append_csv(self._texts[name], _typed(rows, FAILED_COLUMNS), header=header)
                continue
            frame = _typed(rows, self._columns[name])
            append_tsv(self._texts[name], frame)
            if name == "domains.tsv":
                self._write_parquet("domains.parquet", frame)
        self._rows.clear()

    def _write_parquet(self, name: str, frame: pd.DataFrame) -> None:
        writer = self._parquet[name]
        table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)
        writer.write_table(table.cast(writer.schema))

    def _add(self, name: str, rows: Any) -> None:  # noqa: ANN401 -- any iterable of rows
        added = list(rows)
        if added:
            self._rows.setdefault(name, []).extend(added)

    def _about(self, about: ProteinInfo) -> dict[str, str]:
        limit = int(str(self.parameters.get("peptide_below", 0)))
        return {
            "length_class": length_class(len(about.sequence), limit),
            "description": about.description,
            "source": about.source,
        }


def append_tsv(file: IO[bytes], frame: pd.DataFrame, *, header: bool = False) -> None:
    """Append rows; only cells that hold a tab, a quote or a line end are quoted."""
    file.write(frame.to_csv(sep="\t", index=False, header=header, lineterminator="\n").encode())


def xml_name(protein: str) -> str:
    """Name of a protein's XML without its ending; ids that are no file names get a digest.

    >>> xml_name("1abc_A"), xml_name("sp|P1/2").rsplit(".", 1)[0]
    ('1abc_A', 'sp_P1_2')
    """
    clean = re.sub(r"[^A-Za-z0-9_.:+-]", "_", protein)[:LONGEST_NAME].lstrip(".") or "_"
    return clean if clean == protein else f"{clean}.{sha256(protein.encode()).hexdigest()[:8]}"


def _typed(rows: list[dict[str, Any]] | pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """The rows with types that do not depend on them."""
    frame = pd.DataFrame(rows, columns=list(columns))
    types: dict[str, Any] = {}
    for name in columns:
        if name in WHOLE_NUMBERS:
            types[name] = "int64"
        elif name in REALS or name.endswith("_confidence"):
            types[name] = "float64"
        else:
            types[name] = "str"
            frame[name] = frame[name].fillna("")
    return frame.astype(types)
