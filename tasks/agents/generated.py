"""Records that are made up: the same ones for the same seed, byte for byte, on any machine.

Every record draws from a generator of its own, so the first ten of a hundred are the ten of ten.
Nothing in them is real: names, accessions and figures are invented.
"""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, get_args

import numpy as np

from tasks.agents.model import Complexity, DataType, Generated

Record = dict[str, Any]
Draw = np.random.Generator
_DAY = date(2026, 1, 1)
_PEOPLE = ("ada", "bo", "chen", "dara", "emil", "fatou", "gita", "hugo")
_ENZYMES = ("lipase", "esterase", "cutinase", "amylase", "laccase", "cellulase")
_TOPICS = ("activity", "stability", "expression", "solubility", "binding")
_BUFFERS = ("Tris", "HEPES", "phosphate", "citrate")
_REQUESTS = (
    "When will the plate with {enzyme} variants be read?",
    "The {topic} of {variant} is lower than that of the parent.",
    "Please repeat the assay of {variant} at {temperature} °C.",
    "Thank you, the {topic} data of {enzyme} arrived on {day}.",
)
_OPENINGS = (
    "We measured the {topic} of {count} variants of an invented {enzyme}.",
    "Variants of an invented {enzyme} were screened for {topic}.",
)
_RESULTS = (
    "The variant {variant} kept {share} % of its activity at {temperature} °C.",
    "The melting temperature of {variant} rose by {rise} °C.",
    "The sequence is that of the invented entry {accession}.",
    "In {buffer} buffer the {topic} was best at pH {ph}.",
    "All measurements were finished on {day}.",
)
_AMINO = "ACDEFGHIKLMNPQRSTVWY"
_URGENT, _CHECKED, _ACTIVE = 0.2, 0.5, 0.8
"""How often these are true."""
_MISSING, _NO_NUMBER, _OUTLIER = 0.05, 0.02, 0.03
"""How often a measurement is odd."""
_LONGER = {"simple": 1, "medium": 2, "complex": 4}


def generated(params: Generated) -> list[Record]:
    """The records.

    >>> [one["id"] for one in generated(Generated(count=2))]
    ['message-0001', 'message-0002']
    """
    make = _MAKERS[params.data]
    kind = get_args(DataType).index(params.data)
    level = get_args(Complexity).index(params.complexity)
    return [
        make(np.random.default_rng([params.seed, kind, level, number]), number, params.complexity)
        for number in range(1, params.count + 1)
    ]


def _one(draw: Draw, choices: tuple[str, ...]) -> str:
    return choices[int(draw.integers(len(choices)))]


def _figure(draw: Draw, mean: float, sd: float, digits: int) -> float:
    return round(float(draw.normal(mean, sd)), digits)


def _variant(draw: Draw) -> str:
    first, second = draw.choice(list(_AMINO), 2, replace=False)
    return f"{first}{int(draw.integers(10, 320))}{second}"


def _words(draw: Draw) -> Mapping[str, object]:
    return {
        "enzyme": _one(draw, _ENZYMES),
        "topic": _one(draw, _TOPICS),
        "buffer": _one(draw, _BUFFERS),
        "variant": _variant(draw),
        "accession": f"Q9X{int(draw.integers(10))}Z{int(draw.integers(10))}",
        "count": int(draw.integers(12, 960)),
        "share": int(draw.integers(20, 99)),
        "temperature": int(draw.integers(30, 75)),
        "rise": _figure(draw, 6, 2, 1),
        "ph": round(float(draw.uniform(5, 9)), 1),
        "day": _day(draw),
    }


def _day(draw: Draw) -> str:
    return (_DAY + timedelta(days=int(draw.integers(300)))).isoformat()


def _message(draw: Draw, number: int, level: Complexity) -> Record:
    said = [_one(draw, _REQUESTS).format(**_words(draw)) for _ in range(_LONGER[level])]
    record: Record = {"id": f"message-{number:04}", "user": _one(draw, _PEOPLE)}
    record["text"] = " ".join(said)
    if level != "simple":
        record |= {"sent": _day(draw), "priority": int(draw.integers(1, 4))}
    if level == "complex":
        contact = f"{record['user']}@example.org"
        record |= {"contact": contact, "urgent": bool(draw.random() < _URGENT)}
    return record


def _object(draw: Draw, number: int, level: Complexity) -> Record:
    record: Record = {"id": f"assay-{number:04}", "enzyme": _one(draw, _ENZYMES)}
    record["replicates"] = int(draw.integers(1, 6))
    if level != "simple":
        record["conditions"] = {
            "buffer": _one(draw, _BUFFERS),
            "temperature": f"{int(draw.integers(20, 70))} °C",
            "enzymeConc": f"{_figure(draw, 2, 0.4, 2)} mg/mL",
        }
    if level == "complex":
        wells = [
            {"well": f"{row}{column}", "value": _figure(draw, 1, 0.2, 3)}
            for row, column in zip("ABC", (1, 2, 3), strict=True)
        ]
        record |= {"wells": wells, "checked": bool(draw.random() < _CHECKED), "note": None}
        record["tags"] = sorted({_one(draw, _TOPICS) for _ in range(2)})
    return record


def _sample(draw: Draw, number: int, level: Complexity) -> Record:
    words = _words(draw)
    said = [_one(draw, _OPENINGS).format(**words)]
    picked = draw.permutation(len(_RESULTS))[: _LONGER[level]]
    said += [_RESULTS[int(place)].format(**words) for place in sorted(picked)]
    title = f"The {words['topic']} of a {words['enzyme']}"
    return {"id": f"note-{number:04}", "title": title, "text": " ".join(said)}


def _numeric(draw: Draw, number: int, level: Complexity) -> Record:
    """Measurements; complex ones have gaps, outliers and a text among the numbers."""
    record: Record = {"id": f"well-{number:04}", "activity": _figure(draw, 1, 0.15, 4)}
    if level != "simple":
        record |= {
            "melting_temperature": _figure(draw, 55, 4, 2),
            "active": bool(draw.random() < _ACTIVE),
        }
    if level == "complex":
        odd = float(draw.random())
        record["reads"] = _odd(odd, int(draw.poisson(40)))
        if odd > 1 - _OUTLIER:
            record["activity"] = round(record["activity"] * 10, 4)
    return record


def _odd(drawn: float, count: int) -> int | str | None:
    """A count, or now and then nothing, or a text."""
    if drawn < _MISSING:
        return None
    return "n.d." if drawn < _MISSING + _NO_NUMBER else count


_MAKERS: Mapping[DataType, Callable[[Draw, int, Complexity], Record]] = {
    "user_messages": _message,
    "json_objects": _object,
    "text_samples": _sample,
    "numeric_data": _numeric,
}
