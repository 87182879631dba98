"""Vectors of texts without a model: words and parts of words, hashed into a fixed number of places.

They tell texts apart by the words that they share; of meaning they know nothing.

Source:
    Weinberger et al. 2009, Feature hashing for large scale multitask learning; TF-IDF with the
    smoothed IDF of scikit-learn, ln((1 + n) / (1 + df)) + 1.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from itertools import pairwise
from math import log

import numpy as np
from numpy.typing import NDArray

from tasks.text.words import telling_words

DIMENSIONS = 512
GRAM = 4
"""Characters of the parts of words, which let related forms meet."""
WORD, PAIR, PART = 1.0, 0.5, 0.25
"""What a word, two words in a row and a part of a word count."""

Matrix = NDArray[np.float32]
"""Shape (texts, dimensions); rows have length 1, or 0 where a text has no words."""


def hashed(texts: Sequence[str], dimensions: int = DIMENSIONS) -> Matrix:
    """The vector of each text: its words, pairs of words and parts of words.

    >>> one, same, other = hashed(["protein folding", "folding protein", "wet weather"])
    >>> float(one @ same) > 0.7 > 0.2 > float(one @ other)
    True
    """
    found = np.zeros((len(texts), dimensions))
    for number, text in enumerate(texts):
        words = telling_words(text)
        pairs = [_place(f"{one} {other}", dimensions) for one, other in pairwise(words)]
        features = [_word(word, dimensions) for word in words]
        features.append(([place for place, _ in pairs], [sign * PAIR for _, sign in pairs]))
        places = np.array([place for places, _ in features for place in places], np.int64)
        weights = [weight for _, weights in features for weight in weights]
        found[number] = np.bincount(places, weights, dimensions)
    return of_unit_length(found)


@lru_cache(maxsize=1 << 16)
def _word(word: str, dimensions: int) -> tuple[list[int], list[float]]:
    """Places of a word and of its parts, and what they count there."""
    padded = f"<{word}>"
    parts = (f"\0{padded[at : at + GRAM]}" for at in range(len(padded) - GRAM + 1))
    place, sign = _place(word, dimensions)
    others = [_place(part, dimensions) for part in parts]
    weights = [sign * WORD, *(sign * PART for _, sign in others)]
    return [place, *(place for place, _ in others)], weights


@lru_cache(maxsize=1 << 17)
def _place(feature: str, dimensions: int) -> tuple[int, int]:
    """Place and sign of a feature; the same in every process."""
    text = feature.encode("utf-8", "surrogatepass")
    number = int.from_bytes(blake2b(text, digest_size=8).digest(), "little")
    return (number >> 1) % dimensions, 1 if number & 1 else -1


def of_unit_length(rows: NDArray[np.floating]) -> Matrix:
    """Rows of length 1; those of length 0 stay so."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return (rows / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def tfidf(texts: Sequence[str]) -> list[dict[str, float]]:
    """Weight of each telling word of each text among all the texts; rows of unit length.

    >>> first, second = tfidf(["cell wall", "cell nucleus"])
    >>> first["wall"] > first["cell"]
    True
    """
    counts = [Counter(telling_words(text)) for text in texts]
    texts_with = Counter(word for one in counts for word in one)
    rare = {word: log((1 + len(texts)) / (1 + n)) + 1 for word, n in texts_with.items()}
    rows = [{word: n * rare[word] for word, n in one.items()} for one in counts]
    lengths = [sum(weight * weight for weight in row.values()) ** 0.5 for row in rows]
    return [
        {word: weight / length for word, weight in row.items()}
        for row, length in zip(rows, lengths, strict=True)
    ]


def hashed_weights(rows: Sequence[Mapping[str, float]], dimensions: int = DIMENSIONS) -> Matrix:
    """Rows of weights by word, hashed."""
    found = np.zeros((len(rows), dimensions), np.float32)
    for vector, row in zip(found, rows, strict=True):
        for word, weight in row.items():
            place, sign = _place(word, dimensions)
            vector[place] += sign * weight
    return of_unit_length(found)
