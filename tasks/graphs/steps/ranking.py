"""Put the documents of an item into the order in which they fit its query."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from blocks.errors import InputError
from tasks.graphs.step import Failed, Fields, Item, Outcome, StepContext, Value, step
from tasks.graphs.steps.embedding import DIGITS, vectors_of
from tasks.graphs.steps.texts import CONNECTION, text_of
from tasks.graphs.text.bm25 import bm25
from tasks.graphs.text.vectors import DIMENSIONS
from tasks.parameters import Params


class RerankParams(Params):
    """What is ranked, by what."""

    query: str = Field("", title="Query", description="the same for all items; none: query field")
    query_field: str = Field("query", title="Query field", min_length=1)
    documents: str = Field(
        "items", title="Documents", description="field with the list, as `batch` makes it"
    )
    field: str = Field(
        "text", title="Field", description="of a document that is no text itself", min_length=1
    )
    top: int | None = Field(None, title="Top", description="how many stay; none: all", ge=1)
    method: Literal["bm25", "embedding"] = Field(
        "bm25", title="Method", description="shared words, or cosine of vectors"
    )
    connection: str = CONNECTION
    dimensions: int = Field(
        DIMENSIONS, title="Dimensions", description="of hashed vectors", ge=16, le=65_536
    )

    @model_validator(mode="after")
    def _the_connection_is_used(self) -> Self:
        if self.connection and self.method == "bm25":
            raise ValueError("a connection with `method: bm25`; expected `method: embedding`")
        return self


def _reads(params: RerankParams) -> Fields:
    query = {} if params.query else {params.query_field: str}
    return {params.documents: list[Any], **query}


@step(
    "rerank",
    RerankParams,
    reads=_reads,
    writes=lambda params: {params.documents: list[dict[str, Any]]},
    connection=lambda params: params.connection,
    modules=(
        "tasks.graphs.text.bm25",
        "tasks.graphs.text.vectors",
        "tasks.text.words",
        "tasks.graphs.steps.embedding",
        "tasks.graphs.steps.texts",
    ),
    summary="Order the documents of an item by how well they fit its query: BM25 or vectors.",
)
def rerank(items: Sequence[Item], params: RerankParams, context: StepContext) -> list[Outcome]:
    """Documents get `rank_score` and `rank_by`; equal ones stay in their order."""
    return [_ranked(item, params, context) for item in items]


def _ranked(item: Item, params: RerankParams, context: StepContext) -> Outcome:
    try:
        query = params.query or text_of(item, params.query_field)
        documents = [_document(one, params.field) for one in _listed(item, params.documents)]
        texts = [text_of(one, params.field) for one in documents]
    except InputError as error:
        return Failed(str(error))
    if params.method == "bm25":
        scores, way = bm25(query, texts), "bm25"
    else:
        way = params.connection or f"hashing-{params.dimensions}"
        vectors = vectors_of([query, *texts], params.connection, params.dimensions, context)
        for vector in vectors:
            if isinstance(vector, Failed):
                return vector
        asked, *held = (vector for vector in vectors if not isinstance(vector, Failed))
        scores = [float(asked @ vector) for vector in held]
    order = sorted(range(len(scores)), key=lambda place: -scores[place])[: params.top]
    ranked: Any = [
        {**documents[place], "rank_score": round(scores[place], DIGITS), "rank_by": way}
        for place in order
    ]
    return Value({**item, params.documents: ranked})


def _listed(item: Item, field: str) -> Sequence[Any]:
    value = item.get(field)
    if not isinstance(value, list):
        raise InputError(f"field {field!r}: expected a list of documents")
    return value


def _document(one: object, field: str) -> Item:
    return dict(one) if isinstance(one, Mapping) else {field: one}


RERANK = rerank
