"""Masked language models of a service: what they say of hidden residues, and resampling by it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field, field_validator

from blocks.errors import InputError
from tasks.design.profile import ALPHABET
from tasks.design.remote_model import NOTES, RemoteModel, RemoteSettings
from tasks.design.resampling import ResampleSettings, resample
from tasks.design.residue_models import Mask
from tasks.design.variants import BATCH, checked_parent

TABLE_BYTES = 64_000_000
"""Most bytes of logits of the variants that are drawn together."""
ANSWER_BYTES = 200_000_000
"""Most bytes of answers held at once, about: a number of a JSON list takes 32 of them."""
USUAL_TOKENS = 33
"""Size of ESM's vocabulary; many services give the 20 residues only."""
OUTAGE = 8
"""Variants asked for at once, none of them answered, that stop the stage."""
_PLACE = {letter: place for place, letter in enumerate(ALPHABET)}


class BiolmResample(ResampleSettings, RemoteSettings):
    """Masked resampling of the parent with a masked language model of BioLM."""

    kind: Literal["biolm_resample"] = "biolm_resample"
    mask: str = Field(
        "<mask>",
        min_length=1,
        max_length=40,
        title="Mask",
        description="what stands in the sequence for a hidden residue",
    )
    vocabulary: tuple[str, ...] = Field(
        (),
        max_length=1_000,
        title="Vocabulary",
        description="tokens in the order of the logits, for a model that does not send its own",
    )

    @field_validator("vocabulary")
    @classmethod
    def _told_apart(cls, given: tuple[str, ...]) -> tuple[str, ...]:
        residues = [token for token in given if token in _PLACE]
        if given and (not residues or len(set(residues)) < len(residues)):
            raise ValueError(f"vocabulary: expected the residues {ALPHABET}, each once")
        return given


@dataclass(slots=True)
class RemoteLogits:
    """A masked language model of a service as a `ResidueModel`."""

    model: RemoteModel
    mask: str = "<mask>"
    vocabulary: tuple[str, ...] = ()
    """Order of the logits where the answers do not tell."""
    asked: int = 0
    """Sequences so far, and ..."""
    failed: int = 0
    """... those that were not answered."""
    first_reason: str = ""
    unmasked_reason: str = ""
    """Why the parent without masks was not judged: some services refuse such a sequence."""

    def logits(self, sequences: Sequence[str], masks: Mask) -> NDArray[np.float64]:
        """See `ResidueModel`; equal texts are asked for once, -inf where a residue is no token.

        Returns:
            NaN in all of a row that was not answered.

        Raises:
            InputError: An answer is no table of logits, or there is none at all.
        """
        length = masks.shape[1]
        asked = [self._tokens(*pair) for pair in zip(sequences, masks, strict=True)]
        texts = ["".join(tokens) for tokens in asked]
        row_of: dict[str, int] = {}
        for row, text in enumerate(texts):
            row_of.setdefault(text, row)
        place_of = {text: place for place, text in enumerate(row_of)}
        tables = np.full((len(place_of), length, len(ALPHABET)), np.nan)
        reasons = []
        answers = self._answers(list(row_of), length)
        for place, (row, (answer, why)) in enumerate(zip(row_of.values(), answers, strict=True)):
            table = None if why else self._table(answer, asked[row])
            if table is None:
                reasons.append(why or "logits that are not finite numbers")
            else:
                tables[place] = table
        if len(texts) == 1 and not masks.any():
            self.unmasked_reason = next(iter(reasons), "")
        else:
            self._count(len(place_of), reasons, len(texts))
        if len(place_of) == len(texts):
            return tables
        return np.asarray(tables[[place_of[text] for text in texts]])

    def _tokens(self, sequence: str, hidden: NDArray[np.bool_]) -> list[str]:
        """What the model is shown, residue by residue."""
        tokens = list(sequence)
        for place in np.flatnonzero(hidden).tolist():
            tokens[place] = self.mask
        return tokens

    def _answers(self, texts: list[str], length: int) -> Iterator[tuple[Any, str]]:
        """Each text's answer and "", or why there is none; asked in pieces that memory holds."""
        # A multiple of 64, so that few batches of a request are not full.
        size = max(64, ANSWER_BYTES // (32 * length * USUAL_TOKENS) // 64 * 64)
        for start in range(0, len(texts), size):
            answers, faults = self.model.ask(
                [{"sequence": text} for text in texts[start : start + size]]
            )
            for place, answer in enumerate(answers):
                missing = "no answer" if answer is None else ""
                yield answer, faults.get(place, missing)

    def _table(self, answer: object, tokens: list[str]) -> NDArray[np.float64] | None:
        """Logits of one sequence, shape (length, 20); None where they are not finite."""
        if not isinstance(answer, Mapping) or "logits" not in answer:
            raise InputError("answer of the model: no `logits`; expected one row per residue")
        try:
            logits = np.array(answer["logits"], dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise InputError(
                "logits: no table; expected one number per residue and token"
            ) from error
        vocabulary = _texts(answer.get("vocab_tokens")) or self.vocabulary
        if not vocabulary:
            raise InputError("answer of the model: no `vocab_tokens`; expected `vocabulary` set")
        if logits.ndim != 2 or logits.shape[1] != len(vocabulary):  # noqa: PLR2004 -- rows, columns
            raise InputError(
                f"logits: shape {logits.shape}; expected rows of {len(vocabulary)} numbers, one "
                f"for each token of the vocabulary"
            )
        columns, residues = _order(vocabulary)
        _check_known(tokens, residues, self.mask)
        found = logits[
            _residue_rows(len(logits), _texts(answer.get("sequence_tokens")), tokens, self.mask)
        ]
        if not np.isfinite(found).all():
            return None
        table = np.full((len(tokens), len(ALPHABET)), -np.inf)
        table[:, residues] = found[:, columns]
        return table

    def _count(self, asked: int, reasons: list[str], variants: int) -> None:
        self.asked += asked
        self.failed += len(reasons)
        self.first_reason = self.first_reason or next(iter(reasons), "")
        if reasons and len(reasons) == asked and (variants >= OUTAGE or self.failed == self.asked):
            raise InputError(f"none of {asked} sequences was answered; the first: {reasons[0]}")


def _texts(given: object) -> tuple[str, ...]:
    """Tokens of an answer; none where it has none.

    Raises:
        InputError: They are something else.
    """
    if given is None:
        return ()
    if not isinstance(given, list) or not all(isinstance(token, str) for token in given):
        raise InputError("tokens of the answer: no list of texts; expected one text per token")
    return tuple(given)


def resample_remotely(
    params: BiolmResample, parent: str, model: RemoteModel, rng: np.random.Generator
) -> pd.DataFrame:
    """What `resample` gives, drawn from a model of a service.

    Returns:
        The columns of `resample`; a note in `attrs[NOTES]` where sequences were not answered.
        `score` is NaN where the model does not judge the parent without masks.

    Raises:
        InputError: Parent and settings do not fit, or the answers are not what is needed.
    """
    parent = checked_parent(parent)
    judge = RemoteLogits(model, params.mask, params.vocabulary)
    most = TABLE_BYTES // (8 * len(ALPHABET) * len(parent))
    made = resample(params, parent, judge, rng, most=min(BATCH, max(1, most)))
    notes = []
    if judge.unmasked_reason:
        notes.append(f"{params.model}: no scores, for the parent has none: {judge.unmasked_reason}")
    if judge.failed:
        notes.append(
            f"{params.model}: {judge.failed} of {judge.asked} sequences were not answered, their "
            f"variants given up; the first: {judge.first_reason}"
        )
    made.attrs[NOTES] = notes
    return made


@lru_cache(maxsize=16)
def _order(vocabulary: tuple[str, ...]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of the residues among the tokens, and the codes of these residues."""
    tokens = [token for token in vocabulary if token in _PLACE]
    if not tokens or len(set(tokens)) < len(tokens):
        what = "a residue twice" if tokens else "no residue"
        raise InputError(f"vocabulary: {what}; expected each of {ALPHABET} once")
    columns = [place for place, token in enumerate(vocabulary) if token in _PLACE]
    return np.array(columns), np.array([_PLACE[token] for token in tokens])


def _check_known(tokens: list[str], residues: NDArray[np.int64], mask: str) -> None:
    """A residue that the model does not know has no probability to compare others with."""
    if len(residues) == len(ALPHABET):
        return
    known = {ALPHABET[code] for code in residues} | {mask}
    for place, token in enumerate(tokens, 1):
        if token not in known:
            raise InputError(
                f"vocabulary: no {token!r}, which stands at position {place}; expected it there"
            )


def _residue_rows(
    count: int, told: Sequence[str], tokens: list[str], mask: str
) -> NDArray[np.int64]:
    """Which of `count` rows are residues; others are marks of begin and end.

    Args:
        count: Rows of the logits.
        told: `sequence_tokens` of the answer; none if it has none.
        tokens: What was asked.
        mask: The token of a hidden residue.
    """
    if told and len(told) == count:
        rows = [row for row, token in enumerate(told) if token in _PLACE or token == mask]
        if len(rows) == len(tokens):
            if [told[row] for row in rows] != list(tokens):
                raise InputError("sequence_tokens: another sequence than asked for")
            return np.array(rows)
    if count in {len(tokens), len(tokens) + 2}:
        return np.arange(len(tokens)) + (count - len(tokens)) // 2
    raise InputError(
        f"logits: {count} rows for {len(tokens)} residues; expected as many, or 2 more "
        f"(is {mask!r} the model's mask?)"
    )
