"""Vectors of texts: hashed words, or what an embedding model says; and the words that tell most."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from blocks.llm_calls import Fault
from tasks.graphs.step import Failed, Fields, Item, Outcome, StepContext, Value, step
from tasks.graphs.steps.texts import CONNECTION, TextParams, over_texts, reads_text
from tasks.graphs.text.vectors import DIMENSIONS, hashed, hashed_weights, of_unit_length, tfidf

DIGITS = 6
"""Of the numbers of a vector in an item; float32 has seven."""
Vector = NDArray[np.float32]


class EmbedParams(TextParams):
    """Which vectors."""

    into: str = Field("vector", title="Into", description="field that gets it", min_length=1)
    connection: str = CONNECTION
    dimensions: int = Field(
        DIMENSIONS, title="Dimensions", description="of hashed vectors", ge=16, le=65_536
    )


def vectors_of(
    texts: Sequence[str], connection: str, dimensions: int, context: StepContext
) -> list[Vector | Failed]:
    """Vectors of length 1 (0 where a text has no words), or why there is none."""
    if not connection:
        return list(hashed(texts, dimensions))
    found = cast("Sequence[Vector | Fault]", context.models.embed(connection, texts))
    return [
        Failed(one.reason, one.transient)
        if isinstance(one, Fault)
        else of_unit_length(one[None])[0]
        for one in found
    ]


def made_by(connection: str, dimensions: int) -> str:
    """What made a vector; only vectors of one maker can be compared."""
    return connection or f"hashing-{dimensions}"


def _listed(vector: Vector) -> list[float]:
    return [round(float(number), DIGITS) for number in vector]


@step(
    "embed",
    EmbedParams,
    reads=reads_text,
    writes=lambda params: {params.into: list[float], f"{params.into}_by": str},
    connection=lambda params: params.connection,
    modules=(
        "tasks.graphs.text.vectors",
        "tasks.text.words",
        "tasks.graphs.steps.texts",
    ),
    summary="Add the vector of a text: of an embedding model, or offline of its hashed words.",
)
def embed(items: Sequence[Item], params: EmbedParams, context: StepContext) -> list[Outcome]:
    """Add `INTO` and `INTO_by`, which says what made it."""
    maker = made_by(params.connection, params.dimensions)

    def outcome(item: Item, vector: Vector) -> Outcome:
        made: Item = {params.into: _listed(vector), f"{params.into}_by": maker}
        return Value({**item, **made})

    def work(texts: list[str]) -> list[Vector | Failed]:
        return vectors_of(texts, params.connection, params.dimensions, context)

    return over_texts(items, params.field, work, outcome)


class TfidfParams(TextParams):
    """How many words are told, and whether there are vectors."""

    into: str = Field("keywords", title="Into", description="field that gets them", min_length=1)
    keywords: int = Field(5, title="Keywords", description="most of a text", ge=0, le=1_000)
    dimensions: int = Field(
        0,
        title="Dimensions",
        description="of hashed vectors, in `vector`; 0: none",
        ge=0,
        le=65_536,
    )


def _weights_written(params: TfidfParams) -> Fields:
    words: dict[str, Any] = {params.into: list[str], f"{params.into}_weights": list[float]}
    return words | ({"vector": list[float], "vector_by": str} if params.dimensions else {})


@step(
    "tfidf",
    TfidfParams,
    reads=reads_text,
    writes=_weights_written,
    modules=(
        "tasks.graphs.text.vectors",
        "tasks.text.words",
        "tasks.graphs.steps.texts",
    ),
    sees_all=True,
    summary="Add the words that tell a text from all the others of the run, by TF-IDF.",
)
def weigh(items: Sequence[Item], params: TfidfParams, _: StepContext) -> list[Outcome]:
    """Add the words of the highest weights, and a vector of all weights if it is asked for."""

    def work(texts: list[str]) -> list[tuple[dict[str, float], Vector | None]]:
        rows = tfidf(texts)
        hashes = (
            hashed_weights(rows, params.dimensions) if params.dimensions else [None] * len(rows)
        )
        return list(zip(rows, hashes, strict=True))

    def outcome(item: Item, made: tuple[dict[str, float], Vector | None]) -> Outcome:
        row, vector = made
        best = sorted(row.items(), key=lambda one: (-one[1], one[0]))[: params.keywords]
        fields: Item = {
            params.into: [word for word, _ in best],
            f"{params.into}_weights": [round(weight, DIGITS) for _, weight in best],
        }
        if vector is not None:
            fields |= {"vector": _listed(vector), "vector_by": f"tfidf-{params.dimensions}"}
        return Value({**item, **fields})

    return over_texts(items, params.field, work, outcome)


EMBED, TFIDF = embed, weigh
