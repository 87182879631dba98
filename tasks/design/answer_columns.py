"""Which columns are made of a remote model's answers: settings, and checks before more is asked."""

from collections.abc import Collection, Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, StringConstraints, model_validator
from rapidfuzz import fuzz, process

from blocks.errors import InputError, InputProblems, Problem
from tasks.design.answer_lookup import names_value, touches
from tasks.design.answers import parts_of, path_and_mark
from tasks.parameters import Params

Holds = Literal["number", "text", "vector", "structure", "mutations"]
Reduce = Literal["none", "mean", "median", "min", "max", "sum", "std", "first", "last"]
Pooling = Literal["none", "mean", "first", "last", "max"]
Kind = Literal["numbers", "text", "vectors", "structures"]

PLDDT = "_plddt"
OFFERED = 20
"""Keys named in a message."""
_MUTATION_KEYS = ("row_key", "column_key", "mutation_key", "value_key")
_ONLY_FOR: dict[str, Holds] = {
    "reduce": "number",
    "layer": "vector",
    "pooling": "vector",
    "per_residue": "vector",
    "plddt_key": "structure",
    **dict.fromkeys(_MUTATION_KEYS, "mutations"),
}
_OTHER_KEY = StringConstraints(max_length=200, pattern=r"^(\S(.*\S)?)?$")


class Column(Params):
    """One column made of a model's answers."""

    name: str = Field(
        title="Column",
        description="name of the column: lower-case letters, digits and _",
        pattern=r"^[a-z][a-z0-9_]{0,39}$",
    )
    key: str = Field(
        title="Key",
        description="where it stands in the answer, with dots between keys: confidence.score; "
        "through a list as embeddings.embedding, or with an index from 0 as pdbs.0; "
        "value for an answer without keys; a dot inside a key as %2E",
        min_length=1,
        max_length=200,
        pattern=r"^\S(.*\S)?$",
    )
    holds: Holds = Field(
        "number",
        title="Holds",
        description="a number; a text; a vector (embedding, or a value per residue); the text of "
        "a structure (PDB or mmCIF); or values of single mutations, in a table of their own",
    )
    reduce: Reduce = Field(
        "none",
        title="Reduce",
        description="how a list of numbers becomes one, without its nulls (std: of the population)",
    )
    layer: int | None = Field(
        None,
        title="Layer",
        description="of embeddings by layer, the one to take; empty: the highest",
        ge=-1_000,
        le=1_000,
    )
    pooling: Pooling = Field(
        "none",
        title="Pooling",
        description="over the residues, where the answer is residues by dimension, "
        "with all rows that the model sends",
    )
    per_residue: bool = Field(
        False,
        title="Per residue",
        description="one value per residue: vectors may differ in length, and hold gaps",
    )
    plddt_key: Annotated[str, _OTHER_KEY] = Field(
        "",
        title="pLDDT key",
        description="where the structure's confidence stands, a number or a list, of which the "
        "mean counts; empty: mean of the B-factors of the C-alpha atoms; the scale stays as it is",
    )
    row_key: Annotated[str, _OTHER_KEY] = Field(
        "",
        title="Row labels",
        description="where the labels of a matrix's rows stand: A, A12 or 12, positions from 1",
    )
    column_key: Annotated[str, _OTHER_KEY] = Field(
        "",
        title="Column labels",
        description="where the labels of a matrix's columns stand: the new residues",
    )
    mutation_key: Annotated[str, _OTHER_KEY] = Field(
        "",
        title="Mutation key",
        description="in a list of objects, where each has its mutation, such as A12G",
    )
    value_key: Annotated[str, _OTHER_KEY] = Field(
        "",
        title="Value key",
        description="in a list of objects, where each has its value",
    )

    @model_validator(mode="after")
    def _fits_what_it_holds(self) -> "Column":
        for name, holds in _ONLY_FOR.items():
            given, default = getattr(self, name), type(self).model_fields[name].default
            if given != default and self.holds != holds:
                shown = str(given).lower() if isinstance(given, bool) else given
                raise ValueError(f"{name} is {shown}, but holds is {self.holds}; expected {holds}")
        if self.per_residue and self.pooling != "none":
            raise ValueError(
                f"pooling is {self.pooling}, but per_residue is true; expected one of them"
            )
        if self.holds == "mutations":
            given_keys = [name for name in _MUTATION_KEYS if getattr(self, name)]
            if given_keys not in (list(_MUTATION_KEYS[:2]), list(_MUTATION_KEYS[2:])):
                raise ValueError(
                    f"holds is mutations, with {' and '.join(given_keys) or 'no further key'}; "
                    "expected row_key and column_key (of a matrix), "
                    "or mutation_key and value_key (of a list)"
                )
        return self

    @property
    def keys_by_setting(self) -> dict[str, str]:
        """Setting -> key, of all keys that lead from the top of the answer."""
        settings = ("key", "plddt_key", "row_key", "column_key")
        return {name: getattr(self, name) for name in settings if getattr(self, name)}


def _distinct(columns: tuple[Column, ...]) -> tuple[Column, ...]:
    if not columns:
        raise ValueError(
            "no columns; expected at least one, such as name: tm, key: melting_temperature"
        )
    names = [*output_columns(columns), *(one.name for one in columns if one.holds == "mutations")]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"column {twice}: given twice; expected distinct names")
    if "error" in names:
        raise ValueError("column error: taken; expected another name")
    return columns


Columns = Annotated[tuple[Column, ...], AfterValidator(_distinct)]
"""The columns of one model: at least one, with distinct names."""


def kinds(columns: Sequence[Column]) -> dict[str, Kind]:
    """Columns of a table of answers -> what they hold; mutations have a table of their own.

    A structure gives its format under its name, and its confidence under `<name>_plddt`.
    """
    found: dict[str, Kind] = {}
    for column in columns:
        match column.holds:
            case "number":
                found[column.name] = "numbers"
            case "text":
                found[column.name] = "text"
            case "vector":
                found[column.name] = "vectors"
            case "structure":
                found |= {column.name: "structures", column.name + PLDDT: "numbers"}
            case "mutations":
                pass
    return found


def output_columns(columns: Sequence[Column]) -> tuple[str, ...]:
    """Names of the columns of a table of answers, in order."""
    return tuple(name for column in columns for name in _names(column))


def leaves_needed(columns: Sequence[Column], leaf_names: Collection[str]) -> list[str]:
    """The leaves that these columns are made of, for reading no others from the store."""
    wanted = [parts_of(key) for column in columns for key in lookup_keys(column)]
    return [
        name
        for name in leaf_names
        if any(touches(key, parts_of(path_and_mark(name)[0])) for key in wanted)
    ]


def lookup_keys(column: Column) -> list[str]:
    """The keys under which a column's values lie, and the layers that may stand beside them."""
    found = list(column.keys_by_setting.values())
    if column.holds == "vector":
        parts = column.key.split(".")
        found += [".".join([*parts[:end], "layer"]) for end in range(1, len(parts))]
    return found


def check_keys(
    columns: Sequence[Column], leaf_names: Collection[str], of: str = "the model"
) -> None:
    """Nothing, if an answer with these leaves has all keys that the columns need.

    Raises:
        InputError: Keys are not there; the message offers those that are, closest first.
    """
    problems = [
        Problem(
            f"column {column.name!r}, {setting} {key!r}",
            f"not in the answer of {of}",
            f"one of: {', '.join(_closest(key, leaf_names)) or '(the answer is empty)'}",
        )
        for column in columns
        for setting, key in column.keys_by_setting.items()
        if not _is_there(column, setting, key, leaf_names)
    ]
    if len(problems) == 1:
        raise InputError(str(problems[0]))
    if problems:
        raise InputProblems(problems)


def _names(column: Column) -> list[str]:
    return list(kinds([column]))


def _is_there(column: Column, setting: str, key: str, leaf_names: Collection[str]) -> bool:
    if column.holds == "mutations" and setting == "key":  # of a list, all that is inside
        return any(touches(parts_of(key), parts_of(path_and_mark(name)[0])) for name in leaf_names)
    return any(names_value(key, name) for name in leaf_names)


def _closest(key: str, leaf_names: Collection[str]) -> list[str]:
    offered = list(dict.fromkeys(_spelled(path_and_mark(name)[0]) for name in leaf_names))
    ranked = process.extract(key, offered, scorer=fuzz.WRatio, limit=OFFERED)
    return [spelling for spelling, _, _ in ranked]


def _spelled(path: str) -> str:
    """A path as one would write it as a key: without indices, except for the last part."""
    *parts, last = path.split(".")
    return ".".join([*(part for part in parts if not part.isdecimal()), last])
