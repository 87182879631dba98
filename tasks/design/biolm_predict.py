"""Parameters of a predictor that is a remote model, and what it asks for each item."""

import re
from collections.abc import Sequence
from typing import Any, Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from tasks.design.answer_columns import Columns
from tasks.design.method import PredictorSettings
from tasks.design.remote_model import RemoteSettings
from tasks.parameters import Params

STORED_STRUCTURE = re.compile(r"objects/[0-9a-f]{2}/[0-9a-f]{64}\.(pdb|cif)\.gz")
"""What a column of structures holds: the name of a file in the storage."""


class Entity(Params):
    """A molecule that is folded together with each sequence."""

    id: str = Field(title="Chain id", pattern=r"^[A-Za-z0-9]{1,4}$")
    type: Literal["protein", "dna", "rna", "ligand"] = Field("protein", title="Type")
    sequence: str = Field("", title="Sequence", description="of a polymer", max_length=100_000)
    smiles: str = Field("", title="SMILES", description="of a ligand", max_length=10_000)
    ccd: str = Field("", title="CCD code", description="of a ligand, e.g. ATP", max_length=5)

    @model_validator(mode="after")
    def _one_of(self) -> Self:
        given = [name for name in ("sequence", "smiles", "ccd") if getattr(self, name)]
        expected = "smiles or ccd" if self.type == "ligand" else "sequence"
        if len(given) != 1 or given[0] not in expected:
            what = " and ".join(given) or "nothing"
            raise ValueError(f"entity {self.id!r} ({self.type}) has {what}; expected {expected}")
        return self

    def as_item(self) -> dict[str, str]:
        """As the API takes it, without what is empty."""
        return {name: value for name, value in self.model_dump().items() if value}


class BiolmPredict(PredictorSettings, RemoteSettings):
    """A model behind BioLM's API, or a hub of your own; its answers are kept whole."""

    kind: Literal["biolm"] = "biolm"
    action: Literal["predict", "encode", "score", "fold", "log_prob"] = Field(
        "predict", title="Action", description="as the model's page names it"
    )
    columns: Columns = Field(title="Columns", description="what to take from each answer")
    item_fields: dict[str, str] = Field(
        {},
        title="Item fields",
        description="field of an item -> column that fills it, e.g. heavy: vh, light: vl, or "
        "pdb: a column of structures; empty: sequence, from the stage's chain",
    )
    entities: tuple[Entity, ...] = Field(
        (), title="Folded with", description="molecules that each sequence is folded with"
    )
    chain_id: str = Field(
        "A", title="Chain id", description="of the sequence, beside entities", max_length=4
    )
    whole_results: bool = Field(
        False,
        title="Whole results",
        description="one item per request, and all results are its answer, under the key `value`, "
        "as ThermoMPNN of a hub answers",
    )
    version: str = Field(
        "", title="Version", description="of the model, if you know; another one asks anew"
    )

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        if self.entities and self.item_fields:
            raise ValueError("both entities and item_fields are given; expected one of them")
        ids = [self.chain_id, *(entity.id for entity in self.entities)]
        if len(set(ids)) < len(ids):
            raise ValueError(f"chain ids {', '.join(ids)}; expected different ones")
        return self

    def fields(self, chain: str) -> tuple[str, ...]:
        """Columns of the items that are sent."""
        return tuple(dict.fromkeys(self.item_fields.values())) or (chain,)

    def items(self, rows: pd.DataFrame, chain: str) -> list[dict[str, Any]]:
        """What is asked for each row; a cell without a value is None or ""."""
        if self.item_fields:
            names, columns = list(self.item_fields), list(self.item_fields.values())
            cells = zip(*(_cells(rows[column]) for column in columns), strict=True)
            return [dict(zip(names, row, strict=True)) for row in cells]
        if self.entities:
            further = [entity.as_item() for entity in self.entities]
            first = {"id": self.chain_id, "type": "protein"}
            return [
                {"molecules": [{**first, "sequence": text}, *further]}
                for text in _cells(rows[chain])
            ]
        return [{"sequence": text} for text in _cells(rows[chain])]

    def request(self) -> dict[str, Any]:
        """What decides an answer besides the columns of the item."""
        entities = [entity.as_item() for entity in self.entities]
        return {
            "params": self.params,
            **({"whole_results": True} if self.whole_results else {}),
            **({"item_fields": sorted(self.item_fields)} if self.item_fields else {}),
            **({"entities": entities, "chain_id": self.chain_id} if entities else {}),
        }


def _cells(column: pd.Series) -> Sequence[Any]:
    """Plain values for JSON, None for what is missing."""
    missing = column.isna()
    listed: list[Any] = column.astype(object).where(~missing, None).tolist()
    return listed
