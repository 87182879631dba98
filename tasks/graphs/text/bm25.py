"""How well texts fit a question by the words that they share.

Source:
    Robertson and Zaragoza 2009, The probabilistic relevance framework: BM25 and beyond; the
    weight of rare words as in Lucene, which is never negative.
"""

from collections import Counter
from collections.abc import Sequence
from math import log

from tasks.text.words import telling_words

SATURATION, LENGTH = 1.2, 0.75
"""k1 and b: how soon a word's further mentions stop to count, how much a long text is held back."""


def bm25(query: str, texts: Sequence[str]) -> list[float]:
    """The score of each text; 0 where it shares no word with the query.

    >>> scores = bm25("cell wall", ["the cell wall", "a cell", "nothing"])
    >>> scores[0] > scores[1] > scores[2] == 0
    True
    """
    counts = [Counter(telling_words(text)) for text in texts]
    lengths = [sum(one.values()) for one in counts]
    mean = sum(lengths) / len(lengths) if any(lengths) else 1
    scores = [0.0] * len(texts)
    for word in dict.fromkeys(telling_words(query)):
        texts_with = sum(word in one for one in counts)
        rare = log(1 + (len(texts) - texts_with + 0.5) / (texts_with + 0.5))
        for place, (one, length) in enumerate(zip(counts, lengths, strict=True)):
            held_back = SATURATION * (1 - LENGTH + LENGTH * length / mean)
            scores[place] += rare * one[word] * (SATURATION + 1) / (one[word] + held_back)
    return scores
