"""Tables of barcodes: the sections `[barcodes.x]`."""

from collections.abc import Mapping, Sequence

from tasks.reads.labels import label_fault
from tasks.reads.sections import Section, shown

NO_BARCODE = "no-barcode"
"""Name of the stream of what fits no barcode."""
MEANINGS = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
    "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT", "_": "_",
}  # fmt: skip


def read_barcodes(section: Section, segments: Sequence[str]) -> dict[str, dict[str, str]]:
    """Tables name -> barcode -> label; what is wrong is noted."""
    tables = {}
    for name, given in section.given.items():
        label = f"[barcodes.{name}]"
        table = Section(
            given if isinstance(given, dict) else {}, (*section.key, name), label, section.findings
        )
        if not isinstance(given, dict):
            table.add("", f"wrong type: {shown(given)}", "a table of barcodes", at=())
            continue
        if fault := label_fault(name):
            table.add("", f"invalid name {name!r}: {fault[0]}", fault[1], at=())
        if name in segments:
            what = f"barcode name {name!r} collides with the segment of that name"
            table.add("", what, "another name", at=())
        tables[name] = _table(table)
    return tables


def _table(table: Section) -> dict[str, str]:
    names: dict[str, str] = {}
    for barcode, label in table.given.items():
        if wrong := sorted(set(barcode) - set(MEANINGS)):
            what = f"{wrong[0]!r} is no IUPAC letter"
            table.add(barcode, what, "A, C, G, T, IUPAC letters (upper case) and _")
        elif not isinstance(label, str):
            table.add(barcode, f"wrong type: {shown(label)}", "a string, the barcode's name")
        elif label == NO_BARCODE:
            what = f"must not be {NO_BARCODE!r}, which is reserved"
            table.add(barcode, what, "another name")
        else:
            names[barcode] = label
    if not table.given:
        table.add("", "no barcodes", "at least one, such as ACGT = 'sample1'", at=())
    lengths = sorted({len(barcode) for barcode in names})
    if len(lengths) > 1:
        what = f"barcodes of different lengths: {', '.join(map(str, lengths))}"
        table.add("", what, "barcodes of one length", at=())
    else:
        _check_disjoint(table, names)
    return names


def _check_disjoint(table: Section, names: Mapping[str, str]) -> None:
    """Note barcodes that the same read may match, but that lead to different samples."""
    ambiguous = [one for one in names if set(one) - set("ACGT_")]
    told = set()
    for one in ambiguous:
        for other in names:
            pair = frozenset((one, other))
            if names[one] != names[other] and pair not in told and _overlap(one, other):
                told.add(pair)
                what = f"overlaps with {other}, which leads to another name ({names[other]})"
                table.add(one, what, "barcodes that no read can match both")


def _overlap(one: str, other: str) -> bool:
    """Whether some read fits both."""
    return all(set(MEANINGS[a]) & set(MEANINGS[b]) for a, b in zip(one, other, strict=True))
