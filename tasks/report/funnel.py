"""What each stage did with its items, as a table with bars."""

from collections.abc import Sequence
from typing import NamedTuple

from markupsafe import Markup

from tasks.report.number_text import plain_number
from tasks.report.svg import RECT, at, joined


class FunnelRow(NamedTuple):
    """What one stage did with its items."""

    stage: str
    items_in: int
    dropped: int
    failed: int
    items_out: int


def funnel_chart(rows: Sequence[FunnelRow]) -> Markup:
    """How many items each stage took, dropped, lost and handed on; bars share one scale."""
    most = max((max(row.items_in, row.items_out) for row in rows), default=0) or 1
    lines = []
    for row in rows:
        start, bars = 0.0, []
        for kind, count in (("keep", row.items_out), ("fail", row.failed), ("drop", row.dropped)):
            if not count:
                continue
            # a thin line for the few: a stage that kept 20 of 100,000 must not look empty
            width = max(100 * count / most, 0.4)
            bars.append(RECT.format(kind, at(start), "0", at(width), "8"))
            start += width
        numbers = [
            Markup('<td class="r">{}</td>').format(plain_number(count))
            for count in (row.dropped, row.failed, row.items_out)
        ]
        lines.append(
            Markup(
                '<tr><td>{}</td><td class="r">{}</td><td class="track"><svg viewBox="0 0 100 8" '
                'preserveAspectRatio="none" aria-hidden="true">{}</svg></td>{}</tr>'
            ).format(row.stage, plain_number(row.items_in), Markup().join(bars), joined(numbers))
        )
    return Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="items per stage">'
        '<table class="funnel"><thead><tr><th scope="col">stage</th>'
        '<th scope="col" class="r">in</th><th scope="col" class="track"><span class="hidden">'
        'share</span></th><th scope="col" class="r">dropped</th><th scope="col" class="r">failed'
        '</th><th scope="col" class="r">out</th></tr></thead><tbody>{}</tbody></table></div>'
        '<p class="note"><span class="key keep"></span>out &ensp;<span class="key fail"></span>'
        'failed &ensp;<span class="key drop"></span>dropped</p>'
    ).format(joined(lines))
