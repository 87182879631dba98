"""Generators that ask a remote model: one way to run any of them, through the prediction store.

Each request's answer is stored before it is used, so that a run that was killed pays for nothing
twice; the same seed asks for the same things.
"""

import math
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from typing import Any, assert_never

import pandas as pd

from blocks.biolm_calls import Connection, Item
from blocks.errors import InputError
from blocks.prediction_codec import is_missing
from blocks.prediction_key import ModelKey, canonical_json, sequence_digest
from blocks.predictions import FOUND
from blocks.settings import settings
from blocks.storage import open_uri, refer
from tasks.design import answers
from tasks.design.remote_asking import Asker, service_name
from tasks.design.remote_generation import BiolmGenerate, generate_remotely
from tasks.design.remote_logits import BiolmResample, resample_remotely
from tasks.design.remote_model import Request
from tasks.design.remote_saturation import BiolmSaturate, saturate_remotely
from tasks.design.scoring import Part, prediction_store, stored_part
from tasks.design.structure_text import structure_format
from tasks.design.variants import changeable, drawn_at_first, random_numbers

MODULES = tuple(
    f"tasks.design.{name}"
    for name in (
        "answers", "mutagenesis", "profile", "remote_generation", "remote_generators",
        "remote_logits", "remote_model", "remote_saturation", "resampling", "residue_models",
        "structure_text", "variants",
    )
)  # fmt: skip
"""The code that decides what a remote generator makes."""
RemoteGeneratorParams = BiolmResample | BiolmGenerate | BiolmSaturate
MOST_STRUCTURE_BYTES = 20 << 20


Parts = Callable[[Iterator[int]], Generator[Part]]
"""Asks for what stands at these places."""


class StoredModel:
    """A model of a service that is asked through the store; see `remote_model.RemoteModel`."""

    def __init__(
        self, params: RemoteGeneratorParams, asker: Asker, connection: Connection, seed: int
    ) -> None:
        self._params, self._asker, self._seed = params, asker, seed
        request = {"params": params.params}  # as a predict stage has it: both know the answers
        name = service_name(connection)
        self._key = ModelKey.of(params.model, params.action, request, name)

    def ask(self, items: Sequence[Item]) -> tuple[list[Any | None], dict[int, str]]:
        """See `RemoteModel`."""
        digests = [_digest(item) for item in items]
        return self._through_the_store(
            digests, lambda places: self._asker.parts((place, items[place]) for place in places)
        )

    def generate(
        self, requests: Sequence[Request]
    ) -> tuple[list[list[Any] | None], dict[int, str]]:
        """See `RemoteModel`; equal requests are told apart by their place, runs by their seed."""
        digests = [
            sequence_digest(canonical_json([request.item, request.params, place, self._seed]))
            for place, request in enumerate(requests)
        ]
        found, faults = self._through_the_store(
            digests,
            lambda places: self._asker.raw_parts((place, requests[place]) for place in places),
        )
        return [None if one is None else one["value"] for one in found], faults

    def _through_the_store(
        self, digests: Sequence[str], parts: Parts
    ) -> tuple[list[Any | None], dict[int, str]]:
        store = prediction_store()
        reasons: dict[str, str] = {}
        place_of = {digest: place for place, digest in reversed(list(enumerate(digests)))}
        distinct = list(dict.fromkeys(digests))
        missing = store.missing(self._key, distinct)
        wanted = [place_of[one] for one, absent in zip(distinct, missing, strict=True) if absent]
        if wanted:
            with closing(parts(iter(wanted))) as arriving:
                for part in arriving:
                    reasons |= stored_part(store, self._key, part, digests)
        return self._answers(digests), {
            place: reasons[digest] for place, digest in enumerate(digests) if digest in reasons
        }

    def _answers(self, digests: Sequence[str]) -> list[Any | None]:
        store = prediction_store()
        stored = store.get(self._key, digests)
        found = stored.pop(FOUND).to_numpy()
        for name in [name for name in map(str, stored) if name.endswith(answers.LONG)]:
            stored[name] = store.texts(
                stored[name].astype(object).where(stored[name].notna(), None)
            )
        return [
            answers.joined({str(name): leaf for name, leaf in row.items() if not is_missing(leaf)})
            if there
            else None
            for row, there in zip(stored.to_dict("records"), found, strict=True)
        ]


def generate(
    params: RemoteGeneratorParams, model: StoredModel, *, parent: str | None, seed: int
) -> pd.DataFrame:
    """As `generators.generate`; `attrs[NOTES]` holds what the run should say of it."""
    rng = random_numbers(params, seed)
    match params:
        case BiolmResample():
            return resample_remotely(params, parent or "", model, rng)
        case BiolmGenerate():
            return generate_remotely(params, parent, model, rng, structure_of(params))
        case BiolmSaturate():
            return saturate_remotely(params, parent or "", model, structure_of(params))
        case _:
            assert_never(params)


def check_structure(params: BiolmGenerate | BiolmSaturate) -> None:
    """Nothing, if the structure file can be read and is one.

    Raises:
        InputError: It is not.
    """
    text = structure_of(params)
    if text is not None:
        structure_format(text)


def expected(params: RemoteGeneratorParams, parent: str) -> tuple[int, list[int]]:
    """At most so many variants; about so many items each time that the model is asked."""
    match params:
        case BiolmResample():
            share = math.ceil(params.count / len(params.temperatures()))
            looks = 1 + (params.strategy == "low_confidence")
            rounds = sum(params.strength(one).iterations * looks for one in params.temperatures())
            return params.count, [1, *[drawn_at_first(share)] * rounds]
        case BiolmGenerate():
            each = params.per_request or (params.count if params.count_param else 1)
            return params.count, [math.ceil(params.count / each)]
        case BiolmSaturate():
            mutants = len(changeable(params, len(parent))) * (len(params.alphabet) - 1)
            return params.top or mutants, [1, mutants - 1 + params.relative]
        case _:
            assert_never(params)


def structure_of(params: BiolmGenerate | BiolmSaturate) -> str | None:
    """The text of the structure file that a generator sends.

    Raises:
        InputError: It cannot be read, or is no text.
    """
    if not params.structure:
        return None
    reference = refer(params.structure, settings().data)
    if reference.bytes > MOST_STRUCTURE_BYTES:
        what = f"{params.structure}: {reference.bytes:,} bytes"
        raise InputError(f"{what}; expected a structure of at most {MOST_STRUCTURE_BYTES:,}")
    with open_uri(reference.uri) as file:
        try:
            return file.read().decode()
        except UnicodeDecodeError:
            expected = "PDB or mmCIF as plain text"
            raise InputError(f"{params.structure}: not UTF-8; expected {expected}") from None


def _digest(item: Item) -> str:
    only_sequence = list(item) == ["sequence"]
    return sequence_digest(item["sequence"] if only_sequence else canonical_json(dict(item)))
