import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.reads.kernels import edits
from tasks.reads.steps.edit import CutEnd
from tasks.reads.steps.quality_trim import TrimQualityBwa, TrimQualityWindow
from tests.reads.blocks import bases, block, places, qualities, regions, run, sequences

QUALITIES = st.text("!#+5:?I", max_size=14)
READS = st.lists(st.tuples(QUALITIES, st.randoms()), min_size=1, max_size=6)


def naive_bwa(quality: str, least: int, end: str) -> tuple[int, int]:
    """Where the part that stays begins and ends: greatest partial sum before the first below 0."""

    def cut(scores: list[int]) -> int:
        sums = [0]
        for score in scores:
            if sums[-1] + least - score < 0:
                break
            sums.append(sums[-1] + least - score)
        return sums.index(max(sums))

    scores = [ord(letter) - 33 for letter in quality]
    first = cut(scores) if end in ("Start", "Both") else 0
    stop = len(scores) - (cut(scores[::-1]) if end in ("End", "Both") else 0)
    return (first, stop) if first < stop else (0, 0)


def naive_window(quality: str, sequence: str, mode: str, width: int, mean: int) -> tuple[int, int]:
    """The rules of fastp in the words of its manual, with its corner cases."""
    scores, count = [ord(letter) - 33 for letter in quality], len(quality)
    if count <= width:
        return 0, 0

    def good(begin: int) -> bool:
        return sum(scores[begin : begin + width]) >= mean * width

    if mode == "Start":
        first = next((n for n in range(count - width) if good(n)), count - width)
        first += width - 1 if first else 0
        while first < count and sequence[first] == "N":
            first += 1
        return (first, count) if first < count - 1 else (0, 0)
    if mode == "End":
        lasts = range(count - 1, width - 1, -1)
        last = next((n for n in lasts if good(n - width + 1)), width - 1)
        last -= width - 1 if last < count - 1 else 0
        while last >= 0 and sequence[last] == "N":
            last -= 1
        return 0, last + 1
    bad = next((n for n in range(count - width) if not good(n)), None)
    if bad is None:
        return 0, count
    return 0, next((n for n in range(bad, count - 1) if scores[n] < mean), count - 1)


@settings(deadline=None)  # the first call compiles a kernel
@given(READS, st.integers(0, 41), st.sampled_from(["Start", "End", "Both"]))
def test_bwa_trimming_follows_its_definition(reads, least, end):
    marks = [quality for quality, _ in reads]
    done = run(
        TrimQualityBwa(min_quality=least, end=end),
        block(read1=sequences(*("A" * len(one) for one in marks), qualities=marks)),
    )
    expected = [slice(*naive_bwa(one, least, end)) for one in marks]
    assert qualities(done) == [one[part] for one, part in zip(marks, expected, strict=True)]


@settings(deadline=None)
@given(READS, st.integers(1, 5), st.integers(0, 41), st.sampled_from(["Start", "End", "Right"]))
def test_window_trimming_follows_its_definition(reads, width, mean, mode):
    marks = [quality for quality, _ in reads]
    texts = ["".join(random.choice("ACN") for _ in quality) for quality, random in reads]
    step = TrimQualityWindow(mode=mode, window_size=width, mean_quality=mean)
    done = run(step, block(read1=sequences(*texts, qualities=marks)))
    expected = [
        text[slice(*naive_window(mark, text, mode, width, mean))]
        for mark, text in zip(marks, texts, strict=True)
    ]
    assert bases(done) == expected


def test_window_trimming_gives_what_fastp_tests_for():
    before = block(
        read1=sequences(
            "TTTTAACCCCCCCCCCCCCCCCCCCCCCCCCCCCAATTTT",
            qualities=["/////CCCCCCCCCCCC////CCCCCCCCCCCCCC////E"],
        )
    )
    done = before
    for step in (CutEnd(n=1), TrimQualityWindow(mode="Start"), TrimQualityWindow(mode="End")):
        done = run(step, done)
    assert bases(done) == ["CCCCCCCCCCCCCCCCCCCCCCCCCCCC"]
    assert qualities(done) == ["CCCCCCCCCCC////CCCCCCCCCCCCC"]


def test_regions_follow_quality_trimming():
    hits = regions([("read1", 2, 2, "GT")])
    before = block(read1=[("r", "ACGTA", "##III")], tags={"hit": hits})
    done = run(TrimQualityBwa(end="Start"), before)
    assert (bases(done), places(done.tags["hit"])) == (["GTA"], [[("read1", 0, 2, "GT")]])


@pytest.mark.parametrize("kernel", [edits.bwa_front, edits.bwa_tail])
@given(marks=st.lists(QUALITIES, min_size=1, max_size=4), least=st.integers(33, 74))
@settings(deadline=None)
def test_kernels_give_what_their_plain_twins_give(kernel, marks, least):
    texts = block(read1=sequences(*("A" * len(m) for m in marks), qualities=marks))
    quality = texts.segments["read1"].quality
    found = [quality.length.copy(), quality.length.copy()]
    kernel(quality.buffer, quality.start, quality.length, least, found[0])
    kernel.plain(quality.buffer, quality.start, quality.length, least, found[1])
    assert found[0].tolist() == found[1].tolist()
