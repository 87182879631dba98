"""Cut texts: into words beside the text, or into items of their own."""

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal, Self

from pydantic import Field, model_validator

from tasks.graphs.step import Fields, Item, Outcome, Several, Skipped, item_step
from tasks.graphs.steps.texts import TextParams, reads_text, text_of
from tasks.text.words import (
    STOP_WORDS,
    Span,
    paragraph_spans,
    sentence_spans,
    trimmed,
    word_spans,
)

_MODULES = ("tasks.text.words", "tasks.graphs.steps.texts")


class TokeniseParams(TextParams):
    """Which words count."""

    into: str = Field("tokens", title="Into", description="field that gets them", min_length=1)
    lower: bool = Field(True, title="Lower case")
    stop_words: bool = Field(True, title="Keep stop words", description="the, of, and (English)")
    shortest: int = Field(1, title="Shortest", description="characters of a word", ge=1)
    spans: bool = Field(
        False, title="Spans", description="also where they stand: INTO_spans, from 0, half-open"
    )


def _tokens_written(params: TokeniseParams) -> Fields:
    spans = {f"{params.into}_spans": list[list[int]]} if params.spans else {}
    return {params.into: list[str], **spans}


@item_step("tokenise", TokeniseParams, reads=reads_text, writes=_tokens_written, modules=_MODULES)
def tokenise(item: Item, params: TokeniseParams) -> Item:
    """Add the words of a text; apostrophes, hyphens and decimals belong to them."""
    text = text_of(item, params.field)
    kept = [
        (begin, end)
        for begin, end in word_spans(text)
        if end - begin >= params.shortest
        and (params.stop_words or text[begin:end].casefold() not in STOP_WORDS)
    ]
    words = [text[begin:end] for begin, end in kept]
    made = {**item, params.into: [word.lower() for word in words] if params.lower else words}
    if params.spans:
        made[f"{params.into}_spans"] = [[begin, end] for begin, end in kept]
    return made


class SplitParams(TextParams):
    """How large the parts are."""

    by: Literal["sentences", "paragraphs", "words"] = Field("sentences", title="By")
    size: int | None = Field(
        None,
        title="Size",
        description="most words of a part; none: each sentence or paragraph alone",
        ge=1,
    )
    overlap: int = Field(
        0, title="Overlap", description="words that a part shares with the last, by words", ge=0
    )

    @model_validator(mode="after")
    def _parts_get_on(self) -> Self:
        if self.by == "words" and self.size is None:
            raise ValueError("by words without a size; expected a size, such as 200")
        if self.overlap and self.by != "words":
            raise ValueError("an overlap without `by: words`; expected none")
        if self.size is not None and self.overlap >= self.size:
            raise ValueError(f"overlap {self.overlap} of {self.size} words; expected a smaller one")
        return self


def parts(text: str, params: SplitParams) -> list[Span]:
    """Where the parts of a text stand."""
    if params.by == "words":
        size = params.size or 1
        begins = [begin for begin, _ in word_spans(text)]
        last = max(1, len(begins) - params.overlap) if begins else 0
        firsts = range(0, last, size - params.overlap)
        ends = [begins[at + size] if at + size < len(begins) else len(text) for at in firsts]
        cuts = [(begins[at] if at else 0, end) for at, end in zip(firsts, ends, strict=True)]
        return [span for cut in cuts for span in trimmed(text, *cut)]
    units = (sentence_spans if params.by == "sentences" else paragraph_spans)(text)
    return list(units if params.size is None else _packed(text, units, params.size))


def _packed(text: str, units: Iterator[Span], size: int) -> Iterator[Span]:
    """As many units together as have no more than `size` words; a longer one stands alone."""
    begin, end, count = 0, 0, 0
    for unit in units:
        more = sum(1 for _ in islice(word_spans(text[unit[0] : unit[1]]), size + 1))
        if count and count + more > size:
            yield begin, end
            count = 0
        begin, end = (begin if count else unit[0]), unit[1]
        count += max(more, 1)
    if count:
        yield begin, end


def _parts_written(params: SplitParams) -> Fields:
    return {params.field: str, **dict.fromkeys(("part", "parts", "start", "end"), int)}


@item_step(
    "split",
    SplitParams,
    reads=reads_text,
    writes=_parts_written,
    modules=_MODULES,
    spreads=True,
)
def split(item: Item, params: SplitParams) -> Outcome:
    """Make an item of each part of a text, with its place (from 0, half-open) in the whole."""
    text = text_of(item, params.field)
    found: Sequence[Span] = parts(text, params)
    if not found:
        return Skipped("empty")
    return Several(
        tuple(
            {
                **item,
                params.field: text[begin:end],
                "part": number,
                "parts": len(found),
                "start": begin,
                "end": end,
            }
            for number, (begin, end) in enumerate(found)
        )
    )


TOKENISE, SPLIT = tokenise, split
