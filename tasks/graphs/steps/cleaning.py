"""Make texts plain: no markup, one form of each character, no needless space."""

import re
import unicodedata
from typing import Literal

from pydantic import Field

from tasks.graphs.step import Item, item_step
from tasks.graphs.steps.texts import TextParams, reads_text, text_of
from tasks.graphs.text.markup import without_tags

_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u2060\ufeff]|\u00ad")
_SPACE = re.compile(r"[^\S\n]+")
_AROUND_LINES = re.compile(r" *\n *")
_EMPTY_LINES = re.compile(r"\n{3,}")


class CleanParams(TextParams):
    """What is taken out."""

    into: str = Field("", title="Into", description="field that gets it; none: the same one")
    html: bool = Field(True, title="HTML", description="leave out tags, resolve &amp; and the like")
    unicode: Literal["NFC", "NFKC", "keep"] = Field(
        "NFKC", title="Unicode", description="NFKC also makes one of ligatures and wide letters"
    )
    lines: bool = Field(
        False, title="Keep lines", description="else line breaks become spaces like all other space"
    )
    lower: bool = Field(False, title="Lower case")


def cleaned(text: str, params: CleanParams) -> str:
    """The plain text.

    >>> cleaned("<p>The  ﬁrst&nbsp;line</p>", CleanParams())
    'The first line'
    """
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if params.html:
        text = without_tags(text)
    if params.unicode != "keep":
        text = unicodedata.normalize(params.unicode, text)
    text = _SPACE.sub(" ", _UNSEEN.sub("", text))
    text = _AROUND_LINES.sub("\n", text)
    text = _EMPTY_LINES.sub("\n\n", text) if params.lines else " ".join(text.split())
    return (text.lower() if params.lower else text).strip()


@item_step(
    "clean",
    CleanParams,
    reads=reads_text,
    writes=lambda params: {params.into or params.field: str},
    modules=("tasks.graphs.text.markup", "tasks.graphs.steps.texts"),
)
def clean(item: Item, params: CleanParams) -> Item:
    """Make a text plain: no HTML, no control characters, one form of each character."""
    return {**item, params.into or params.field: cleaned(text_of(item, params.field), params)}


CLEAN = clean
