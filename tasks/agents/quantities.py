"""Quantities such as `5 mg/mL` as numbers in a base unit.

Worked out in decimals, so that 5 mg is 0.005 g and not 0.005000000000000001.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_PREFIXES = {
    "": "1", "k": "1e3", "m": "1e-3", "µ": "1e-6", "u": "1e-6", "n": "1e-9", "p": "1e-12",
}  # fmt: skip
_SINGLE: Mapping[str, tuple[str, str]] = {
    "%": ("share", "0.01"), "min": ("s", "60"), "h": ("s", "3600"), "d": ("s", "86400"),
    "Da": ("Da", "1"), "kDa": ("Da", "1e3"), "bp": ("bp", "1"), "kb": ("bp", "1e3"),
    "Mb": ("bp", "1e6"), "Gb": ("bp", "1e9"), "nt": ("nt", "1"), "aa": ("aa", "1"),
    "cm": ("m", "1e-2"), "Å": ("m", "1e-10"), "K": ("K", "1"), "J/mol": ("J/mol", "1"),
    "kJ/mol": ("J/mol", "1e3"), "cal/mol": ("J/mol", "4.184"), "kcal/mol": ("J/mol", "4184"),
}  # fmt: skip
_PREFIXED = {"g": "g", "L": "L", "l": "L", "m": "m", "s": "s", "M": "mol/L", "mol": "mol", "V": "V"}
_CELSIUS = {"°C", "°c"}
ZERO_CELSIUS = Decimal("273.15")
_QUANTITY = re.compile(r"([-+\u2212]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?)\s?(\S+)")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number in a base unit."""

    value: float
    unit: str


def _factors() -> dict[str, tuple[str, Decimal]]:
    found = {unit: (base, Decimal(factor)) for unit, (base, factor) in _SINGLE.items()}
    for unit, base in _PREFIXED.items():
        for prefix, factor in _PREFIXES.items():
            found.setdefault(f"{prefix}{unit}", (base, Decimal(factor)))
    masses = {unit: factor for unit, (base, factor) in found.items() if base == "g"}
    volumes = {unit: factor for unit, (base, factor) in found.items() if base == "L"}
    for mass, a in masses.items():
        for volume, b in volumes.items():
            found[f"{mass}/{volume}"] = ("g/L", a / b)
    return found


UNITS = _factors()
"""Unit -> its base unit and what one of it is worth."""


def quantity(text: str) -> Quantity | None:
    """The quantity that a text is; None if it is none.

    >>> quantity("5 mg/mL"), quantity("37 °C"), quantity("-2.5 kcal/mol"), quantity("5 apples")
    (Quantity(value=5.0, unit='g/L'), Quantity(value=310.15, unit='K'), Quantity(value=-10460.0, unit='J/mol'), None)
    """  # noqa: E501 -- the output of a doctest is one line
    match = _QUANTITY.fullmatch(text.strip().replace("\u03bc", "µ"))
    if match is None:
        return None
    try:
        number = Decimal(match[1].replace("\u2212", "-"))
    except InvalidOperation:
        return None
    if match[2] in _CELSIUS:
        return Quantity(float(number + ZERO_CELSIUS), "K")
    known = UNITS.get(match[2])
    return None if known is None else Quantity(float(number * known[1]), known[0])
