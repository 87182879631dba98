"""How well a sequence fits a profile HMM: HMMER's bit score, and its alignment to the states."""

from collections.abc import Iterator, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray
from pyhmmer.easel import DigitalSequenceBlock, TextMSA, TextSequence
from pyhmmer.plan7 import HMM, Background, Pipeline, TraceAligner

from tasks.design.method import Method, PredictorSettings
from tasks.design.profile import ALPHABET, AMBIGUOUS, Profile, load_hmm
from tasks.design.residues import letter_matrix, lookup

if TYPE_CHECKING:
    from pyhmmer.easel import AA  # known to pyhmmer's stubs only

METHOD = Method(
    name="profile",
    version=f"1, pyhmmer {version('pyhmmer')}",
    columns={
        "profile_bits": "score of the whole sequence; 0 where it is not above the background's, "
        "or HMMER finds no domain [bits]",
        "profile_log_odds_mean": "mean over residues in match states of log2(emission / "
        "background); NaN where there are none [bits]",
        "profile_coverage": "fraction of the profile's match states that hold a residue",
    },
    description="hmmsearch with all filters off, and hmmalign",
    source="Eddy 2011, doi:10.1371/journal.pcbi.1002195 (HMMER 3.4, through pyhmmer)",
    letters=ALPHABET + AMBIGUOUS,
    needs_profile=True,
    max_length=10_000,
)
_ALIGNED_AT_ONCE = 256
"""Sequences in one alignment; bounds its width, which is the sum of all insertions."""
_ANY_SCORE = -1e9


class ProfileBits(PredictorSettings):
    """Fit to the profile: bit score, log-odds per position, coverage."""

    kind: Literal["profile"] = "profile"


def profile_score(sequences: Sequence[str], profile: Profile) -> dict[str, NDArray[np.float64]]:
    """Columns of `METHOD`, float64 of shape (n,)."""
    hmm = load_hmm(profile)
    block = DigitalSequenceBlock(
        hmm.alphabet,
        [
            TextSequence(name=str(number), sequence=sequence).digitize(hmm.alphabet)
            for number, sequence in enumerate(sequences)
        ],
    )
    log_odds, coverage = _fit(hmm, block)
    return {
        "profile_bits": _bits(hmm, block),
        "profile_log_odds_mean": log_odds,
        "profile_coverage": coverage,
    }


def _bits(hmm: "HMM[AA]", block: "DigitalSequenceBlock[AA]") -> NDArray[np.float64]:
    """Score of each sequence [bits], not below 0.

    HMMER gives no score at all to a sequence in which it defines no domain (a third of random
    ones), and scores between -4 and 0 to others that fit no better: all of them get 0, so that
    the order of the scores is the order of the evidence.
    """
    pipeline = Pipeline(
        hmm.alphabet,
        bias_filter=False,
        F1=1.0,
        F2=1.0,
        F3=1.0,
        # fixed, or they would follow from how many sequences are searched
        Z=1,
        domZ=1,
        T=_ANY_SCORE,
        domT=_ANY_SCORE,
    )
    bits = np.zeros(len(block))
    for hit in pipeline.search_hmm(hmm, block):
        bits[int(hit.name)] = max(hit.score, 0.0)
    return bits


def _fit(
    hmm: "HMM[AA]", block: "DigitalSequenceBlock[AA]"
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean log-odds [bits] and coverage of each sequence, by optimal accuracy alignment."""
    emissions = hmm.match_emissions  # type: ignore[attr-defined]  # missing in the stubs
    background = np.array(Background(hmm.alphabet).residue_frequencies, dtype=np.float64)
    with np.errstate(divide="ignore"):  # an emission may be 0 in a model made elsewhere
        odds = np.log2(np.array(emissions, dtype=np.float64)[1:] / background)
    # ambiguous letters and gaps have no log-odds of their own
    odds = np.hstack([odds, np.full((hmm.M, 1), np.nan)])
    code = lookup(ALPHABET)
    means, coverages = [], []
    for rows in _match_columns(hmm, block):
        # row after row in memory, or the order of summation would follow from their number
        values = np.ascontiguousarray(odds[np.arange(hmm.M), code[rows]])
        known = ~np.isnan(values)
        count, total = known.sum(axis=1), np.where(known, values, 0.0).sum(axis=1)
        means.append(np.divide(total, count, out=np.full(len(rows), np.nan), where=count > 0))
        coverages.append((rows != ord("-")).mean(axis=1))
    return np.concatenate(means), np.concatenate(coverages)


def _match_columns(
    hmm: "HMM[AA]", block: "DigitalSequenceBlock[AA]"
) -> Iterator[NDArray[np.uint8]]:
    """Letters in the match states, `-` where there is none, some sequences at a time; (k, M)."""
    aligner = TraceAligner()
    for start in range(0, len(block), _ALIGNED_AT_ONCE):
        part = block[start : start + _ALIGNED_AT_ONCE]
        traces = aligner.compute_traces(hmm, part)
        msa = aligner.align_traces(hmm, part, traces, trim=True, all_consensus_cols=True)
        rows = letter_matrix(list(cast(TextMSA, msa).alignment))
        yield rows[:, letter_matrix([msa.reference or ""])[0] == ord("x")]
