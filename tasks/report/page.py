"""One self-contained HTML page per run, for every pipeline: the frame and its plain parts.

The page asks the network for nothing and opens from a disk; its security policy names its own
style and script by hash, so nothing that came in with the data can run.  Every function of this
package returns `Markup` and escapes what it is given; charts summarise before they draw, so the
page stays small whatever the table behind it.  Colours are classes of the style sheet, which knows
light and dark.
"""

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from blocks.errors import InputError
from tasks.report.number_text import plain_number
from tasks.report.rendering import rendered
from tasks.report.svg import joined


@dataclass(frozen=True, slots=True)
class Section:
    """One part of the page, reached as `#anchor`."""

    title: str
    anchor: str
    body: Markup
    note: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z][a-z0-9-]*", self.anchor):
            raise InputError(
                f"section {self.title!r}: anchor {self.anchor!r}; expected a-z, 0-9 and -"
            )


def page(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    styles: Sequence[str] = (),
    scripts: Sequence[str] = (),
) -> str:
    """The whole HTML document.

    Args:
        styles: Templates of style that the sections need besides the plain one.
        scripts: Templates of scripts, likewise.

    Raises:
        InputError: Two sections have the same anchor.
    """
    anchors = [section.anchor for section in sections]
    if twice := sorted({anchor for anchor in anchors if anchors.count(anchor) > 1}):
        raise InputError(f"page {title!r}: anchor {twice[0]!r} used twice; expected it once")
    style = "".join(rendered(f"{name}.css.j2") for name in ("page", *styles))
    script = "".join(rendered(f"{name}.js.j2") for name in ("page", *scripts))
    return rendered(
        "page.html.j2",
        title=title,
        subtitle=subtitle,
        sections=sections,
        style=Markup(style),  # noqa: S704 -- our own file
        script=Markup(script),  # noqa: S704 -- our own file
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
    )


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def key_numbers(numbers: Mapping[str, float | str]) -> Markup:
    """The figures that matter, as tiles: name -> number or text with its unit."""
    tiles = [
        Markup("<div><dt>{}</dt><dd>{}</dd></div>").format(
            name, value if isinstance(value, str) else plain_number(float(value))
        )
        for name, value in numbers.items()
    ]
    return Markup('<dl class="numbers">{}</dl>').format(Markup().join(tiles))


def choice(label: str, panels: Mapping[str, Markup]) -> Markup:
    """A list to choose one of `panels` from; without a script, all are shown."""
    options = joined([Markup("<option>{}</option>").format(name) for name in panels])
    bodies = joined(
        [
            Markup('<div class="panel"><h3>{}</h3>{}</div>').format(name, body)
            for name, body in panels.items()
        ]
    )
    return Markup(
        '<div class="choice"><label hidden>{} <select>{}</select></label>{}</div>'
    ).format(label, options, bodies)
