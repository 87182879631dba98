"""Text out of HTML, and only out of HTML: a `<` that begins no tag of HTML stays what it is."""

import html
import re

_INLINE_TEXT = (
    "a abbr acronym b bdi bdo big cite code data del dfn em font i img input ins kbd label mark q "
    "s samp small span strike strong sub sup time tt u var wbr"
)
_INLINE = frozenset(_INLINE_TEXT.split())
"""Tags that stand inside of words and lines."""
_BLOCK_TEXT = (
    "address article aside blockquote body br button caption center col colgroup dd details div "
    "dl dt fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hr html iframe "
    "legend li link main meta nav noscript object ol optgroup option p param picture pre "
    "section select source summary svg table tbody td textarea tfoot th thead "
    "title tr track ul video"
)
_BLOCK = frozenset(_BLOCK_TEXT.split())
_UNSEEN = frozenset({"script", "style", "template"})
_NAMES = _INLINE | _BLOCK | _UNSEEN
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)(\s[^<>]*)?/?>|<!--|-->|<![a-zA-Z][^<>]*>")


def without_tags(text: str) -> str:
    r"""The text that a reader sees; blocks are separated by a line break.

    >>> without_tags("<p>CO<sub>2</sub> &amp; H<sub>2</sub>O</p><p>if a<b and p < 0.05</p>")
    '\nCO2 & H2O\n\nif a<b and p < 0.05\n'
    """
    parts: list[str] = []
    at, hidden = 0, ""
    for match in _TAG.finditer(text):
        name = (match[2] or "").lower()
        if name and (name not in _NAMES or _compares(name, match[3] or "")):
            continue
        if not hidden:
            parts += (text[at : match.start()], "\n" if name in _BLOCK else "")
        hidden = _hidden(hidden, match, name)
        at = match.end()
    if not hidden:
        parts.append(text[at:])
    return html.unescape("".join(parts))


def _compares(name: str, attributes: str) -> bool:
    """Whether it is rather a comparison, such as `p <q and r> s`."""
    return len(name) == 1 and bool(attributes.strip()) and "=" not in attributes


def _hidden(hidden: str, match: re.Match[str], name: str) -> str:
    """What a reader does not see after a tag: a comment, a script, or nothing of the kind."""
    if hidden == "<!--":
        return "" if match[0] == "-->" else hidden
    if hidden:
        return "" if match[1] and name == hidden else hidden
    if match[0] == "<!--":
        return match[0]
    return name if name in _UNSEEN and not match[1] and not match[0].endswith("/>") else ""
