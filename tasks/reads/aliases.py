"""Spellings of a configuration that mean the same: of actions, of fields and of choices.

Case, `_` and `-` never matter: `Out_Label`, `outLabel` and `out-label` are one name. Beyond that,
some names have synonyms. A synonym counts only where the field or choice that it stands for exists
and none is called like the synonym itself, so that one list serves all steps.
"""

import re
from collections.abc import Collection, Iterable

ACTIONS = {
    "sample": "FilterSample",
    "reservoirsample": "FilterReservoirSample",
    "spotcheckreadnames": "ValidateReadPairing",
    "spotcheckreadpairing": "ValidateReadPairing",
    "validatesequence": "ValidateSeq",
    "validatequal": "ValidateQuality",
    "validatephred": "ValidateQuality",
    "calcgccount": "CalcGCContent",
    "calcncontent": "CalcNCount",
    "evaluateexpression": "EvalExpression",
    "storetagsincomment": "StoreTagInComment",
    "storetagsinfastq": "StoreTagInFastQ",
    "storetagintable": "StoreTagsInTable",
}
"""Other names of steps, plainly written."""
FIELDS = (
    ("search", "query", "pattern"),
    ("expression", "expr", "query"),
    ("length", "len", "count", "n"),
    ("segment", "source", "target"),
    ("operator", "op"),
    ("iftag", "iflabel"),
    ("resulttype", "outputtype", "outtype"),
    ("filename", "filenames", "files", "file"),
    ("countreversecomplement", "canonical"),
    ("relative", "rate"),
    ("inlabels", "inlabel", "tags", "labels"),
    ("taghistograms", "taghistogram"),
    ("commenttags", "commentlabels"),
    ("threads", "threadcount"),
    ("readcommentcharacter", "readcommentchar"),
    ("readnameendchar", "readnameendcharacter"),
    ("otherreadnameendchar", "otherreadnameendcharacter", "referencereadnameendchar"),
)
"""Fields that may be called by each other's names, plainly written."""
CHOICES = (
    ("start", "left"),
    ("end", "right"),
    ("above", "worse", "gt", ">"),
    ("below", "better", "lt", "<"),
    ("aboveorequal", "worseorequal", "gte", "ge", ">="),
    ("beloworequal", "betterorequal", "lte", "le", "<="),
    ("uncompressed", "raw"),
    ("gzip", "gz"),
    ("zstd", "zst"),
    ("sanger", "illumina1.8", "illumina18", "phred33"),
    ("illumina1.3", "illumina13", "phred64"),
    ("fastpseemsweird", "fastp"),
    ("bool", "boolean"),
)
"""Choices that may be called by each other's names, plainly written."""


def plain(name: str) -> str:
    """What of a name counts: `Out_Label` gives `outlabel`."""
    return re.sub(r"[_\-\s]", "", name).lower()


def field_called(name: str, fields: Collection[str]) -> str | None:
    """The one of `fields` that a written name means; None where there is none."""
    return _called(plain(name), fields, FIELDS)


def choice_called(value: str, choices: Collection[str]) -> str | None:
    """The one of `choices` that a written value means; None where there is none."""
    return value if value in choices else _called(plain(value), choices, CHOICES)


def action_called(name: str, actions: Collection[str]) -> str | None:
    """The one of `actions` that a written name means; None where there is none."""
    known = {plain(action): action for action in actions}
    other = ACTIONS.get(plain(name))
    return known.get(plain(name)) or (other if other in actions else None)


def _called(wanted: str, names: Iterable[str], groups: Iterable[tuple[str, ...]]) -> str | None:
    known = {plain(name): name for name in names}
    if wanted in known:
        return known[wanted]
    alike = (one for group in groups if wanted in group for one in group if one in known)
    return known.get(next(alike, ""))
