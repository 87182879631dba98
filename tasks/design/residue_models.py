"""Models that judge each residue of a sequence in its context, and drawing from what they say."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from tasks.design.profile import Profile, residue_probabilities

Mask = NDArray[np.bool_]


class ResidueModel(Protocol):
    """What judges residues in their context; a masked language model, for example."""

    def logits(self, sequences: Sequence[str], masks: Mask) -> NDArray[np.float64]:
        """Unnormalised log-probabilities of the 20 residues, in the order of `ALPHABET`.

        Args:
            sequences: All of one length.
            masks: True where a residue is hidden from the model; shape (n, length).

        Returns:
            Shape (n, length, 20); may be a read-only view.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProfileModel:
    """A profile HMM as a residue model: each position of the parent on its own."""

    table: NDArray[np.float64]
    """Log-probabilities, shape (length, 20)."""

    @classmethod
    def of(cls, profile: Profile, parent: str) -> "ProfileModel":
        """The profile as it aligns to `parent`."""
        return cls(np.log(residue_probabilities(profile, parent)))

    def logits(self, sequences: Sequence[str], masks: Mask) -> NDArray[np.float64]:
        """See `ResidueModel`; one table for all, without a copy."""
        return np.broadcast_to(self.table, (len(sequences), *self.table.shape))


def sampled(ends: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """One residue code for each row of cumulated probabilities, shape (n,); n numbers are drawn."""
    target = rng.random(len(ends)) * ends[:, -1]
    # Rounding may put the target on the end itself, behind which no residue has a probability.
    last = np.argmax(ends >= ends[:, -1:], axis=1)
    return np.asarray(np.minimum((ends <= target[:, None]).sum(axis=1), last))


def cumulated(
    logits: NDArray[np.float64], temperature: float, top_k: int = 0, top_p: float = 1.0
) -> NDArray[np.float64]:
    """Cumulated probabilities of the residues that may be drawn; shape as `logits`, (n, 20).

    Args:
        logits: Unnormalised log-probabilities.
        temperature: Above 1 flattens, below 1 sharpens.
        top_k: Only the k likeliest are drawn; 0: all.
        top_p: Only the likeliest that together reach this probability, at least one.

    Source:
        `top_p`: Holtzman et al. 2020, arXiv:1904.09751.
    """
    probability = np.exp(log_softmax(logits / temperature))
    if top_k or top_p < 1:
        order = np.argsort(-probability, axis=1, kind="stable")
        ranked = np.take_along_axis(probability, order, axis=1)
        if top_k:
            ranked[:, top_k:] = 0
            ranked /= ranked.sum(axis=1, keepdims=True)
        # The residue that crosses the limit stays, so that one always does.
        ranked[np.cumsum(ranked, axis=1) - ranked >= top_p] = 0
        np.put_along_axis(probability, order, ranked, axis=1)
    return np.cumsum(probability, axis=1)


def is_shared(logits: NDArray[np.float64]) -> bool:
    """Whether one table stands for all sequences, so that work on it need be done only once."""
    return logits.strides[0] == 0


def log_softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    """Log-probabilities of logits, along the last axis."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True)))
