"""What a prediction depends on: the digest of its sequence, and the key of its model."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from blocks.errors import InputError

DIGEST_LENGTH = 32


def sequence_digest(sequence: str) -> str:
    """The first 32 hexadecimal digits of the SHA-256 of a sequence.

    >>> sequence_digest("")
    'e3b0c44298fc1c149afbf4c8996fb924'
    """
    return hashlib.sha256(sequence.encode()).hexdigest()[:DIGEST_LENGTH]


def sequence_digests(sequences: Iterable[str]) -> list[str]:
    """The digest of each sequence, in order."""
    return [sequence_digest(sequence) for sequence in sequences]


def checked_digests(digests: Iterable[str]) -> list[str]:
    """The digests as a list.

    Raises:
        InputError: One of them has another length, or holds what no digest does.
    """
    listed = list(map(str, digests))
    if set(map(len, listed)) - {DIGEST_LENGTH} or not "".join(listed or ["0"]).isalnum():
        wrong = next(d for d in listed if len(d) != DIGEST_LENGTH or not d.isalnum())
        raise InputError(f"digest {wrong[:50]!r}; expected 32 hexadecimal digits")
    return listed


@dataclass(frozen=True, slots=True)
class ModelKey:
    """What values depend on besides the sequence."""

    model: str
    action: str
    params: str
    """Canonical JSON: sorted keys, no blanks."""
    version: str

    def __post_init__(self) -> None:
        try:
            canonical = canonical_json(json.loads(self.params))
        except ValueError:
            canonical = None
        if canonical != self.params:
            raise InputError(
                f"parameters of {self.model}: {self.params!r}; expected canonical JSON, "
                "as ModelKey.of writes it"
            )

    @classmethod
    def of(cls, model: str, action: str, params: Mapping[str, object], version: str) -> "ModelKey":
        """The key with the parameters as canonical JSON."""
        return cls(model, action, canonical_json(params), version)


def canonical_json(data: object) -> str:
    """The one JSON text of `data`.

    >>> canonical_json({"b": 1.0, "a": [None, "ä"]})
    '{"a":[null,"ä"],"b":1.0}'
    """
    return json.dumps(
        data, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
