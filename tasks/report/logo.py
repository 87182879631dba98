"""Sequence logos of proteins."""

import math

import numpy as np
from markupsafe import Markup
from numpy.typing import ArrayLike, NDArray

from blocks.errors import InputError
from tasks.report.axis import Axis
from tasks.report.number_text import floats
from tasks.report.svg import LEFT, STEP, TEXT, WIDE, WRAP, at, figure, svg

AMINO_ACIDS = "ACDEFGHIKLMNPQRSTVWY"
_BITS = math.log2(len(AMINO_ACIDS))
_KINDS = {
    **dict.fromkeys("DE", "acid"),
    **dict.fromkeys("KRH", "basic"),
    **dict.fromkeys("GSTYC", "polar"),
    **dict.fromkeys("NQ", "amide"),
}
OUTLINES = {
    "A": "M0 100L38 0H62L100 100H79L71 76H29L21 100ZM35 58H65L50 16Z",
    "C": "M100 30L80 36C76 24 67 18 54 18C33 18 21 30 21 50S33 82 54 82C68 82 77 75 80 63L100 69"
    "C95 89 78 100 54 100C20 100 0 81 0 50S20 0 54 0C78 0 94 11 100 30Z",
    "D": "M0 0H44C80 0 100 20 100 50S80 100 44 100H0ZM20 19V81H43C67 81 79 70 79 50S67 19 43 19Z",
    "E": "M0 0H96V19H20V39H88V57H20V81H98V100H0Z",
    "F": "M0 0H97V19H20V41H88V60H20V100H0Z",
    "G": "M99 29L79 35C75 24 67 18 54 18C33 18 21 30 21 50S33 82 54 82C65 82 74 80 80 76V62H55V45"
    "H100V86C88 95 73 100 54 100C20 100 0 81 0 50S20 0 54 0C78 0 93 10 99 29Z",
    "H": "M0 0H20V39H80V0H100V100H80V58H20V100H0Z",
    "I": "M20 0H80V18H60V82H80V100H20V82H40V18H20Z",
    "K": "M0 0H20V42L74 0H100L52 40L100 100H75L37 52L20 66V100H0Z",
    "L": "M0 0H20V81H96V100H0Z",
    "M": "M0 100V0H24L50 66L76 0H100V100H81V32L58 92H42L19 32V100Z",
    "N": "M0 100V0H22L80 68V0H100V100H78L20 32V100Z",
    "P": "M0 0H58C85 0 100 11 100 32S85 64 58 64H20V100H0ZM20 19V46H56C72 46 79 41 79 32.5"
    "S72 19 56 19Z",
    "Q": "M50 0C20 0 0 20 0 48S20 96 50 96S100 76 100 48S80 0 50 0ZM50 18C69 18 79 30 79 48"
    "S69 78 50 78S21 66 21 48S31 18 50 18ZM52 62L77 100H100L74 62Z",
    "R": "M0 0H58C84 0 100 10 100 29C100 46 88 54 74 57L100 100H77L53 59H20V100H0Z"
    "M20 18V42H56C72 42 79 37 79 30C79 22 72 18 56 18Z",
    "S": "M96 28L76 33C73 22 65 17 50 17C33 17 24 21 24 28C24 37 36 38 54 41C82 46 100 52 100 70"
    "C100 90 80 100 50 100C20 100 3 90 0 69L21 65C24 77 33 83 50 83C69 83 79 79 79 71"
    "C79 62 68 61 48 57C20 52 4 46 4 29C4 10 22 0 50 0C78 0 92 9 96 28Z",
    "T": "M0 0H100V19H60V100H40V19H0Z",
    "V": "M0 0H22L50 78L78 0H100L62 100H38Z",
    "W": "M0 0H18L29 70L42 8H58L71 70L82 0H100L82 100H61L50 42L39 100H18Z",
    "Y": "M0 0H23L50 40L77 0H100L60 57V100H40V57Z",
}
"""Outline of each letter in a box of 100 by 100.  Not text: the height of a letter is its
information, whatever fonts the reader has."""
_LOGO_KEY = Markup(
    "<span>Stack height: information [bits]. Colours: "
    "D E acidic (orange), K R H basic (blue), G S T Y C polar (green), N Q amide (pink), "
    "others hydrophobic.</span>"
)


def information_heights(counts: ArrayLike) -> NDArray[np.float64]:
    """Height of each letter of a sequence logo [bits], with the correction for few sequences.

    Args:
        counts: Residues per position, shape (L, 20); gaps are simply not counted.

    Returns:
        Shape (L, 20); 0 where nothing was counted.

    Source:
        Schneider & Stephens 1990, doi:10.1093/nar/18.20.6097: frequency times
        log2(20) - entropy - 19 / (2 n ln 2), not below 0.
    """
    numbers = floats(counts)
    depth = numbers.sum(axis=1, keepdims=True)
    shares = np.divide(numbers, depth, out=np.zeros_like(numbers), where=depth > 0)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    entropy = -(shares * logs).sum(axis=1, keepdims=True)
    few = np.divide(
        numbers.shape[1] - 1,
        2 * math.log(2) * depth,
        out=np.full_like(depth, _BITS),
        where=depth > 0,
    )
    information: NDArray[np.float64] = math.log2(numbers.shape[1]) - entropy - few
    heights: NDArray[np.float64] = shares * np.maximum(information, 0)
    return heights


def logo(counts: ArrayLike, *, reference: str = "", first: int = 1) -> Markup:
    """Sequence logo of proteins, folded after 60 positions.

    Args:
        counts: Residues per position, shape (L, 20), columns ACDEFGHIKLMNPQRSTVWY.
        reference: Sequence of length L printed below the stacks; "" for none.
        first: Number printed at the first position.
    """
    heights = information_heights(counts)
    if heights.shape[1] != len(AMINO_ACIDS) or (reference and len(reference) != len(heights)):
        raise InputError(
            f"logo: counts {heights.shape}, reference of {len(reference)}; expected (L, 20) and L"
        )
    height = 96.0
    y = Axis(0, _BITS, 8 + height, 8)
    panels = []
    for begin in range(0, len(heights), WRAP):
        stacks = heights[begin : begin + WRAP]
        parts = [TEXT.format("end", at(LEFT - 6), at(y(t) + 4), str(t)) for t in (0, 2, 4)]
        parts.append(
            Markup('<path class="axis" d="M{} 8V104H{}"/>').format(
                at(LEFT), at(LEFT + STEP * len(stacks))
            )
        )
        parts.append(Markup('<text transform="translate(12 64) rotate(-90)">bits</text>'))
        for j, stack in enumerate(stacks):
            parts += _stack(stack, LEFT + j * STEP + 1, y)
            middle = at(LEFT + (j + 0.5) * STEP)
            if reference:
                parts.append(TEXT.format("mono middle", middle, "117", reference[begin + j]))
            number = first + begin + j
            if j == 0 or number % 10 == 0:
                parts.append(TEXT.format("middle", middle, "131", str(number)))
        label = f"sequence logo, positions {first + begin} to {first + begin + len(stacks) - 1}"
        panels.append(svg(WIDE, 134, label, parts))
    return figure("panels", _LOGO_KEY, *panels)


def _stack(heights: NDArray[np.float64], left: float, y: Axis) -> list[Markup]:
    """The letters of one position, the tallest on top."""
    shape = Markup('<path class="letter {}" transform="matrix(.14 0 0 {} {} {})" d="{}"/>')
    parts, base = [], 0.0
    for k in np.argsort(heights, kind="stable").tolist():
        tall = float(heights[k]) * (y.start - y.end) / _BITS
        if tall >= 0.5:  # noqa: PLR2004 -- less than half a pixel is not seen
            letter = AMINO_ACIDS[k]
            top = y.start - base - tall
            parts.append(
                shape.format(
                    _KINDS.get(letter, "plain"),
                    f"{tall / 100:.4f}",
                    at(left),
                    at(top),
                    OUTLINES[letter],
                )
            )
        base += tall
    return parts
