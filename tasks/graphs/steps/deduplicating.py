"""Leave out items whose text was there before, word for word or nearly."""

from collections.abc import Sequence
from hashlib import blake2b
from typing import Literal

from pydantic import Field

from blocks.errors import InputError
from tasks.graphs.step import Failed, Item, Outcome, Skipped, StepContext, Value, step
from tasks.graphs.steps.embedding import DIGITS
from tasks.graphs.steps.texts import TextParams, reads_text, text_of
from tasks.graphs.text.shingles import SeenTexts


class DedupeParams(TextParams):
    """What counts as the same."""

    method: Literal["exact", "near"] = Field(
        "exact",
        title="Method",
        description="exact: but for case and space; near: most runs of words are shared",
    )
    threshold: float = Field(
        0.8, title="Threshold", description="share of runs of words that makes near", ge=0.5, le=1
    )
    size: int = Field(3, title="Size", description="words of a run", ge=1, le=20)
    action: Literal["drop", "mark"] = Field(
        "drop", title="Action", description="mark: keep them, with `duplicate` and `resemblance`"
    )


class _Dedupe:
    """Remembers 16 bytes of each text that was new, or its runs of words where near ones count."""

    def __init__(self, params: DedupeParams) -> None:
        self._params = params
        self._digests: set[bytes] = set()
        self._near = SeenTexts(params.size, params.threshold)

    def run(self, items: Sequence[Item], context: StepContext) -> Sequence[Outcome]:
        return [self._judged(item) for item in items]

    def _judged(self, item: Item) -> Outcome:
        try:
            text = text_of(item, self._params.field)
        except InputError as error:
            return Failed(str(error))
        same = 1.0 if self._known(text) else 0.0
        if not same and self._params.method == "near":
            same = self._near.nearest(text)
        if self._params.action == "drop":
            return Skipped("duplicate") if same else Value(item)
        return Value({**item, "duplicate": bool(same), "resemblance": round(same, DIGITS)})

    def _known(self, text: str) -> bool:
        plain = " ".join(text.casefold().split())
        digest = blake2b(plain.encode("utf-8", "surrogatepass"), digest_size=16).digest()
        known = digest in self._digests
        self._digests.add(digest)
        return known


DEDUPE = step(
    "dedupe",
    DedupeParams,
    reads=reads_text,
    writes=lambda params: (
        {"duplicate": bool, "resemblance": float} if params.action == "mark" else {}
    ),
    modules=(
        "tasks.graphs.text.shingles",
        "tasks.text.words",
        "tasks.graphs.steps.texts",
    ),
    in_order=True,
    summary="Leave out items whose text was there before: the same, or nearly (runs of words).",
)(_Dedupe)
