"""The sentences of a text that share most with the others.

Source:
    Mihalcea and Tarau 2004, TextRank: bringing order into text; damping 0.85 as in PageRank.
"""

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from tasks.text.words import Span, sentence_spans, telling_words

DAMPING = 0.85
ROUNDS = 100
CLOSE = 1e-6
MOST_SENTENCES = 2_000
"""Their similarities are a square."""


def ranks(sentences: list[list[str]]) -> NDArray[np.float64]:
    """How much of the others each sentence has, shape (sentences,); they add up to 1.

    Args:
        sentences: The telling words of each.
    """
    count = len(sentences)
    if count == 0:
        return np.zeros(0)
    distinct = [set(sentence) for sentence in sentences]
    sentences_with = Counter(word for one in distinct for word in one)
    shared_words = sorted(word for word, n in sentences_with.items() if n > 1)
    places = {word: place for place, word in enumerate(shared_words)}
    has = np.zeros((count, len(places)), np.float32)
    for row, words in zip(has, distinct, strict=True):
        row[[places[word] for word in words if word in places]] = 1
    lengths = np.log(np.array([max(len(words), 1) for words in distinct]))
    shared = (has @ has.T).astype(np.float64)
    np.fill_diagonal(shared, 0)
    similar = shared / np.maximum(lengths[:, None] + lengths[None, :], np.log(2))
    given = similar.sum(axis=0)
    flow = similar / np.where(given == 0, 1, given)
    alone = given == 0
    rank = np.full(count, 1 / count)
    for _ in range(ROUNDS):
        fresh = (1 - DAMPING) / count + DAMPING * (flow @ rank + rank[alone].sum() / count)
        if np.abs(fresh - rank).sum() < CLOSE:
            return np.asarray(fresh)
        rank = fresh
    return rank


def summary(text: str, sentences: int, shortest: int) -> tuple[list[Span], list[int]]:
    """Where the highest ranked sentences stand, in the order of the text, and their numbers.

    Args:
        shortest: Sentences with fewer words are left out, unless all have.

    Raises:
        ValueError: The text has too many sentences.
    """
    spans = list(sentence_spans(text))
    if len(spans) > MOST_SENTENCES:
        raise ValueError(f"{len(spans)} sentences; expected at most {MOST_SENTENCES} in a text")
    said = [text[begin:end] for begin, end in spans]
    long = [number for number, one in enumerate(said) if len(one.split()) >= shortest]
    candidates = long or list(range(len(spans)))
    rank = ranks([telling_words(said[number]) for number in candidates])
    best = np.argsort(-rank, kind="stable")[:sentences]
    numbers = sorted(candidates[place] for place in best)
    return [spans[number] for number in numbers], numbers
