"""Sequences that a model of a service makes of a structure or of a sequence."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field, field_validator, model_validator

from blocks.errors import InputError
from tasks.design.column_names import RESERVED
from tasks.design.profile import ALPHABET
from tasks.design.remote_model import NOTES, Action, RemoteModel, RemoteSettings, Request
from tasks.design.structure_text import field_text
from tasks.design.variants import Sweep, checked_parent, variant_table

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Key = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]{0,79}$")]
LISTS = ("sequences", "results", "designs", "samples")
"""Keys under which an answer may hold its sequences one level deeper."""
MAX_DEPTH = 8
"""Most lists within lists."""
SHOWN = 5
"""Reasons that a note names."""
TAKEN = RESERVED | {"score", "temperature", "generator_score"}
"""Columns that a chain or a value may not be called."""


class BiolmGenerate(RemoteSettings):
    """Sequences from a generating model of BioLM."""

    kind: Literal["biolm_generate"] = "biolm_generate"
    action: Action = Field("generate", title="Action", description="what the model is asked to do")
    count: int = Field(
        100, ge=1, le=1_000_000, title="Count", description="distinct sequences wanted"
    )
    structure: str = Field(
        "",
        max_length=2_000,
        title="Structure",
        description="path or URI of a PDB or mmCIF file that is sent to the model",
    )
    from_parent: bool = Field(
        False, title="From the parent", description="send the parent's sequence to the model"
    )
    sequence: str = Field(
        "",
        max_length=100_000,
        title="Sequence",
        description="text that is sent as it is, such as a beginning or a masked sequence",
    )
    item_field: str = Field(
        "",
        pattern=r"^([A-Za-z_][A-Za-z0-9_]{0,39})?$",
        title="Item field",
        description="name of what is sent; empty: pdb for a structure, sequence for a sequence",
    )
    temperature: Sweep = Field(
        None,
        title="Temperature",
        description="above 0, up to 100; several: the count is divided over them; empty: the "
        "model's own",
    )
    temperature_param: Key = Field(
        "temperature", title="Temperature parameter", description="its name in the request"
    )
    count_param: Key | None = Field(
        None,
        title="Count parameter",
        description="name of the parameter that asks for several sequences at once, such as "
        "batch_size; empty: one request for each sequence",
    )
    per_request: int | None = Field(
        None,
        ge=1,
        le=100_000,
        title="Sequences per request",
        description="most that the count parameter asks for; empty: all of a temperature",
    )
    seed_param: Key | None = Field(
        None,
        title="Seed parameter",
        description="name of the parameter that takes a seed, another one for each request; "
        "empty: none is sent",
    )
    chains: tuple[Name, ...] = Field(
        (),
        title="Chains",
        description="of what is made, such as heavy, light: a column each; `sequence` holds them "
        "joined with a colon",
    )
    score_key: Key = Field(
        "score", title="Score key", description="what the generator's score is called in an answer"
    )
    numbers: tuple[Name, ...] = Field(
        ("global_score", "seq_recovery", "log_prob", "perplexity"),
        title="Numbers",
        description="that a sequence comes with; a column each, empty where not given",
    )

    @field_validator("chains", "numbers")
    @classmethod
    def _columns(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        taken = next((name for name in given if name in TAKEN), None)
        if taken is not None:
            raise ValueError(f"{taken!r} is a column of every run; expected another name")
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> "BiolmGenerate":
        names = (*self.chains, *self.numbers)
        if len(set(names)) < len(names):
            raise ValueError("chains, numbers: a name stands twice; expected each once")
        given = sum(map(bool, (self.structure, self.from_parent, self.sequence)))
        if given != 1:
            raise ValueError(
                f"structure, from_parent, sequence: {given} of them given; expected one"
            )
        if self.per_request is not None and self.count_param is None:
            raise ValueError("per_request: given; expected count_param, which asks for so many")
        own = (self.count_param, self.seed_param) + (
            () if self.temperature is None else (self.temperature_param,)
        )
        sent = [name for name in own if name is not None]
        for name in sent:
            if name in self.params or sent.count(name) > 1:
                raise ValueError(f"{name!r} would be sent twice; expected it in one setting")
        return self

    def temperatures(self) -> tuple[float | None, ...]:
        """The sweep; None is the model's own temperature."""
        return self.temperature if isinstance(self.temperature, tuple) else (self.temperature,)


def generate_remotely(
    params: BiolmGenerate,
    parent: str | None,
    model: RemoteModel,
    rng: np.random.Generator,
    structure: str | None = None,
) -> pd.DataFrame:
    """Distinct sequences from the model, none of them the parent, in the order of the requests.

    Args:
        params: What is asked, and of which model.
        parent: What `from_parent` sends; otherwise mutations are named against it, if given.
        model: Makes the sequences.
        rng: Draws the seeds of the requests, where `seed_param` asks for them.
        structure: Text of the file `params.structure`.

    Returns:
        The columns of every generator, then `params.chains` and `params.numbers`, NaN where an
        answer has none. Fewer rows than wanted where the answers gave no more. `attrs[NOTES]`:
        how many answers were not used, and why.

    Raises:
        InputError: Parent, structure or settings do not fit, or no answer is a new sequence.
    """
    item = _item(params, parent, structure)
    asked = [
        (nth, request)
        for nth, (temperature, share) in enumerate(_shares(params))
        for request in _requests(params, item, temperature, share, rng)
    ]
    answers, faults = model.generate([request for _, request in asked])
    refused = Counter(f"request failed: {faults.get(i, 'no answer')}" for i in _failed(answers))
    known = {(parent or "").strip().upper()}
    rows: list[dict[str, Any]] = []
    for nth, (temperature, share) in enumerate(_shares(params)):
        results = [answer for (of, _), answer in zip(asked, answers, strict=True) if of == nth]
        found = _distinct(params, _entries(results), share, known, refused)
        rows += [{"temperature": temperature, **row} for row in found]
    notes = _notes(refused)
    if not rows:
        raise InputError(f"model {params.model!r}: no new sequence: {'; '.join(notes) or 'none'}")
    made = _table(params, rows, parent)
    made.attrs[NOTES] = [f"{params.model}: {note}" for note in notes]
    return made


def _item(params: BiolmGenerate, parent: str | None, structure: str | None) -> dict[str, str]:
    """What each request is about."""
    if params.structure:
        if structure is None:
            raise InputError(f"generator {params.kind!r}: no structure; expected its text")
        name = params.item_field or "pdb"
        return {name: field_text(structure, name)}
    if params.from_parent:
        if parent is None:
            raise InputError(f"generator {params.kind!r}: no parent; expected a sequence to send")
        return {params.item_field or "sequence": checked_parent(parent)}
    return {params.item_field or "sequence": params.sequence}


def _shares(params: BiolmGenerate) -> list[tuple[float | None, int]]:
    """Each temperature and how many sequences it should give."""
    sweep = params.temperatures()
    size = len(sweep)
    shares = [(params.count - nth + size - 1) // size for nth in range(size)]
    return [(each, share) for each, share in zip(sweep, shares, strict=True) if share]


def _requests(
    params: BiolmGenerate,
    item: Mapping[str, str],
    temperature: float | None,
    share: int,
    rng: np.random.Generator,
) -> Iterator[Request]:
    """As many as give `share` sequences at one temperature."""
    each = (params.per_request or share) if params.count_param else 1
    for start in range(0, share, each):
        own: dict[str, Any] = {}
        if temperature is not None:
            own[params.temperature_param] = temperature
        if params.count_param is not None:
            own[params.count_param] = min(each, share - start)
        if params.seed_param is not None:
            own[params.seed_param] = int(rng.integers(2**31 - 1))
        yield Request(item, own)


def _failed(answers: Sequence[object]) -> list[int]:
    return [place for place, answer in enumerate(answers) if answer is None]


def _entries(results: object, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """The single sequences of answers of any shape, each with the numbers that came with it."""
    if isinstance(results, Mapping):
        inner = [results[key] for key in LISTS if isinstance(results.get(key), list)]
        if not inner:
            yield results
        results = inner
    if isinstance(results, str):
        yield {"sequence": results}
    elif isinstance(results, list) and depth < MAX_DEPTH:
        for result in results:
            if result is not None:
                yield from _entries(result, depth + 1)


def _distinct(
    params: BiolmGenerate,
    entries: Iterator[Mapping[str, Any]],
    share: int,
    known: set[str],
    refused: Counter[str],
) -> list[dict[str, Any]]:
    """The first `share` rows with new sequences; these are added to `known`, others counted."""
    rows: list[dict[str, Any]] = []
    for entry in entries:
        if len(rows) == share:
            break
        parts = _parts(params, entry)
        text = parts if isinstance(parts, str) else ":".join(parts)
        if isinstance(parts, str):
            refused[parts] += 1
        elif text in known:
            refused["the parent, or there already"] += 1
        else:
            known.add(text)
            own = {name: _number(entry.get(name)) for name in params.numbers}
            named = dict(zip(params.chains, parts, strict=False))  # none for a single chain
            score = _number(entry.get(params.score_key))
            rows.append({"sequence": text, "score": score, **named, **own})
    return rows


def _parts(params: BiolmGenerate, entry: Mapping[str, Any]) -> tuple[str, ...] | str:
    """The chains of an answer; or in one line why it has none that can be used."""
    if params.chains and all(isinstance(entry.get(name), str) for name in params.chains):
        texts = [entry[name] for name in params.chains]
    elif isinstance(entry.get("sequence"), str):
        texts = re.split("[:/]", entry["sequence"]) if params.chains else [entry["sequence"]]
    else:
        expected = ", ".join(params.chains) or "sequence"
        return f"no {expected} among the keys {', '.join(sorted(map(str, entry))[:10]) or 'none'}"
    if params.chains and len(texts) != len(params.chains):
        return f"{len(texts)} chains, expected {len(params.chains)}"
    clean = tuple(text.strip().upper().removesuffix("*") for text in texts)
    if not all(clean):
        return "an empty sequence"
    wrong = "".join(clean).lstrip(ALPHABET)
    if wrong:
        hint = ", which parts chains: name these" if wrong[0] in ":/" else ""
        return f"letter {wrong[0]!r}{hint}"
    return clean


def _number(given: object) -> float:
    """A finite number, or NaN."""
    if isinstance(given, bool) or not isinstance(given, int | float):
        return math.nan
    try:
        value = float(given)
    except OverflowError:  # JSON has integers of any size
        return math.nan
    return value if math.isfinite(value) else math.nan


def _table(params: BiolmGenerate, rows: list[dict[str, Any]], parent: str | None) -> pd.DataFrame:
    columns = ("sequence", *params.chains, *params.numbers)
    texts = {"sequence", *params.chains}
    found = pd.DataFrame(
        {
            name: pd.Series([row[name] for row in rows], dtype="str" if name in texts else float)
            for name in columns
        }
    )
    one_chain = parent.strip().upper() if parent and not params.chains else None
    made = variant_table(found, one_chain, params.kind)
    made["temperature"] = np.array([row["temperature"] for row in rows], dtype=float)
    made["score"] = np.array([row["score"] for row in rows], dtype=float)
    return made


def _notes(refused: Counter[str]) -> list[str]:
    if not refused:
        return []
    said = "; ".join(f"{count} times {why}" for why, count in refused.most_common(SHOWN))
    return [f"{refused.total()} answers are no new sequence: {said}"]
