"""Reads that change where tags were found, and tags made from tags."""

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.steps.derive import ConcatTags, ConvertRegionsToLength, ForgetAllTags, ForgetTag
from tasks.reads.steps.tags import ReplaceTagWithLetter, StoreTagInSequence, TrimAtTag
from tests.reads.blocks import (
    bases,
    block,
    numbers,
    places,
    qualities,
    regions,
    run,
    sequences,
    strings,
    texts,
)  # fmt: skip


def tagged(*molecules, read="AACCGGTT", **others):
    given = {"t": regions(*molecules), **others}
    return block(tags=given, read1=sequences(*[read] * len(molecules)))


def trim(direction, keep):
    return TrimAtTag(in_label="t", direction=direction, keep_tag=keep)


HIT = [("read1", 2, 2, "CC")]


@pytest.mark.parametrize(
    ("direction", "keep", "read", "place"),
    [
        ("Start", True, "CCGGTT", ("read1", 0, 2, "CC")),
        ("Start", False, "GGTT", ("", -1, 2, "CC")),
        ("End", True, "AACC", ("read1", 2, 2, "CC")),
        ("End", False, "AA", ("", -1, 2, "CC")),
    ],
)
def test_reads_are_cut_at_the_tag_and_untagged_ones_stay(direction, keep, read, place):
    done = run(trim(direction, keep), tagged(HIT, []))
    assert bases(done) == [read, "AACCGGTT"]
    assert [len(each) for each in qualities(done)] == [len(read), 8]
    assert places(done.tags["t"]) == [[place], []]


def test_other_tags_move_with_the_read_or_lose_their_place():
    other = regions([("read1", 5, 2, "GT"), ("read1", 6, 1, "T")], [("read1", 0, 1, "A")])
    done = run(trim("Start", keep=True), tagged(HIT, HIT, other=other))
    assert places(done.tags["other"]) == [
        [("read1", 3, 2, "GT"), ("read1", 4, 1, "T")],
        [("", -1, 1, "A")],
    ]


def test_a_tag_of_several_regions_cannot_be_cut_at():
    with pytest.raises(InputError, match=r"read 2 \(r1\).*one single region"):
        run(trim("End", keep=False), tagged(HIT, [*HIT, *HIT]))


def test_a_tag_that_lost_its_place_cannot_be_cut_at():
    with pytest.raises(InputError, match="has lost its place"):
        run(trim("End", keep=False), tagged([("", -1, 2, "CC")]))


def store(**given):
    return StoreTagInSequence(in_label="t", **given)


def test_a_text_of_the_same_length_replaces_bases_and_leaves_qualities_and_tags():
    done = run(store(), tagged([("read1", 2, 2, "cc"), ("read1", 6, 1, "x")], []))
    assert bases(done) == ["AAccGGxT", "AACCGGTT"]
    assert qualities(done) == ["IIIIIIII"] * 2
    assert places(done.tags["t"])[0][0] == ("read1", 2, 2, "cc")


def test_a_longer_text_has_the_rounded_mean_quality_of_what_it_replaces():
    given = block(
        tags={"t": regions([("read1", 1, 2, "NNNN")])}, read1=sequences("ACGT", qualities=["A!$B"])
    )
    done = run(store(), given)
    assert (bases(done), qualities(done)) == (["ANNNNT"], ["A####B"])
    assert places(done.tags["t"]) == [[("", -1, 2, "NNNN")]]


def test_a_text_put_between_bases_has_quality_b():
    done = run(store(), tagged([("read1", 8, 0, "AG")]))
    assert (bases(done), qualities(done)) == (["AACCGGTTAG"], ["IIIIIIIIBB"])


def test_several_texts_of_other_lengths_go_where_their_regions_were():
    done = run(store(), tagged([("read1", 6, 2, "x"), ("read1", 0, 2, "yyy")]))
    assert bases(done) == ["yyyCCGGx"]


def test_lost_places_are_an_error_unless_ignored():
    lost = tagged([("", -1, 2, "cc")])
    with pytest.raises(InputError, match="ignore_missing"):
        run(store(), lost)
    assert bases(run(store(ignore_missing=True), lost)) == ["AACCGGTT"]


def test_masked_bases_become_the_letter_and_keep_their_qualities():
    given = tagged([("read1", 0, 1, "A"), ("read1", 3, 2, "CG")], [])
    done = run(ReplaceTagWithLetter(in_label="t", letter="N"), given)
    assert bases(done) == ["NACNNGTT", "AACCGGTT"]
    assert bases(given) == ["AACCGGTT"] * 2


def concat(missing, *labels, separator=""):
    return ConcatTags(in_labels=labels, out_label="new", on_missing=missing, separator=separator)


ONE = regions([("read1", 0, 1, "A")], [("read1", 0, 1, "A")], [])
TWO = regions([("read1", 1, 1, "C"), ("read1", 3, 1, "G")], [], [])


def test_regions_are_put_behind_each_other():
    given = block(tags={"a": ONE, "b": TWO}, read1=sequences(*["ACGT"] * 3))
    assert places(run(concat("merge_present", "b", "a"), given).tags["new"]) == [
        [("read1", 1, 1, "C"), ("read1", 3, 1, "G"), ("read1", 0, 1, "A")],
        [("read1", 0, 1, "A")],
        [],
    ]
    assert places(run(concat("set_missing", "b", "a"), given).tags["new"])[1:] == [[], []]


def test_regions_and_texts_give_texts_with_the_separator_between_those_that_are_there():
    given = block(tags={"a": TWO, "b": strings("x", "y", None)}, read1=sequences(*["ACGT"] * 3))
    tag = run(concat("merge_present", "a", "b", separator="-"), given).tags["new"]
    assert (texts(tag.text), tag.present.tolist()) == (["CG-x", "y", ""], [True, True, False])
    tag = run(concat("set_missing", "a", "b", separator="-"), given).tags["new"]
    assert (texts(tag.text), tag.present.tolist()) == (["CG-x", "", ""], [True, False, False])


def test_the_kind_of_glued_tags_depends_on_theirs():
    step = concat("set_missing", "a", "b")
    assert step.gives_among({"a": "location", "b": "location"})[0].kind == "location"
    assert step.gives_among({"a": "location", "b": "string"})[0].kind == "string"


def test_a_tag_cannot_be_glued_to_itself():
    with pytest.raises(ValidationError, match="duplicate input label 'a'"):
        concat("set_missing", "a", "a")


def test_lengths_count_the_bases_of_all_regions():
    given = block(tags={"t": TWO}, read1=sequences(*["ACGT"] * 3))
    done = run(ConvertRegionsToLength(in_label="t", out_label="n"), given)
    assert done.tags["n"].value.tolist() == [2, 0, 0]


def test_forgotten_tags_are_gone():
    given = block(tags={"a": numbers(1), "b": numbers(2)}, read1=sequences("A"))
    assert list(run(ForgetTag(in_label="a"), given).tags) == ["b"]
    assert ForgetTag(in_label="a").forgets(["a", "b"]) == ["a"]
    assert dict(run(ForgetAllTags(), given).tags) == {}
    assert np.isclose(given.tags["a"].value[0], 1)
