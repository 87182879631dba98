import re

import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.block import Block
from tasks.reads.steps.validate import (
    ValidateAllReadsSameLength,
    ValidateName,
    ValidateQuality,
    ValidateReadPairing,
    ValidateSeq,
)
from tests.reads.blocks import around, block, regions, run, run_all, sequences, strings


def pairs(*given: tuple[str, str], first: int = 0) -> Block:
    return block(
        read1=[(one, "A", "I") for one, _ in given],
        read2=[(two, "A", "I") for _, two in given],
        first=first,
    )


def refused(step, *blocks: Block) -> str:
    with pytest.raises(InputError) as error:
        run_all(step, *blocks)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_names_of_mates_may_differ_in_one_letter_and_in_their_comments():
    good = pairs(
        ("a/1", "a/2"), ("b 1:N:0:ACGT", "b 2:N:0:ACGTTT"), ("c", "c"), ("r7", "r8"), ("F03", "R03")
    )
    assert len(run(ValidateReadPairing(), good)) == 5


@pytest.mark.parametrize(
    "pair",
    [("read10", "read9"), ("ab", "cd"), ("a x", "bb x"), ("r11", "r12"), ("r29x/1", "r39x/1")],
)
def test_names_that_do_not_belong_together_are_told_with_their_number(pair):
    message = refused(ValidateReadPairing(), pairs(("a", "a"), pair, first=4))
    assert "read 6: mismatched read names" in message
    assert repr(pair[0]) in message
    assert repr(pair[1]) in message
    assert message.endswith(
        "; expected the same name up to the first ' ', or a single letter that differs, as in 'x/1'"
        " and 'x/2' (numbers of several digits must be the same)"
    )


def test_a_stride_checks_molecules_by_their_number_in_the_input():
    step = ValidateReadPairing(sample_stride=3)
    run_all(step, pairs(("a", "a"), ("x", "yyy"), first=0), pairs(("x", "yyy"), first=2))
    assert "read 4:" in refused(step, pairs(("x", "yyy"), first=3))
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        ValidateReadPairing(sample_stride=0)


def test_checks_of_names_need_two_segments():
    assert "at least two input segments" in ValidateReadPairing().problems(around("se"))[0]
    assert not ValidateName().problems(around("a", "b"))


def test_names_are_equal_up_to_a_character():
    step = ValidateName(readname_end_char="_")
    run(step, pairs(("a_1", "a_22")))
    assert "mismatched read names 'a_1' in read1 and 'b_1' in read2" in refused(
        step, pairs(("a_1", "b_1"))
    )
    assert "no '_'" in refused(step, pairs(("a_1", "a_1"), ("a", "a_1")))
    assert "read 2 of read2 ('a')" in refused(step, pairs(("a_1", "a_1"), ("a_1", "a")))


def test_whole_names_are_equal_without_a_character():
    run(ValidateName(), pairs(("a b", "a b")))
    refused(ValidateName(), pairs(("a/1", "a/2")))


def test_a_quality_outside_of_its_encoding_is_told_with_its_read():
    bad = block(read1=[("r", "ACG", "I~!"), ("q", "ACG", "I\tI")], first=10)
    message = refused(ValidateQuality(encoding="Sanger"), bad)
    assert "read 12 of read1 ('q'): quality 'I\\tI' is not Sanger" in message
    assert "33 to 126" in message
    assert "64 to 126" in refused(ValidateQuality(encoding="Illumina1.3"), bad)
    assert "59 to 126" in refused(ValidateQuality(encoding="Solexa"), bad)


def test_only_the_asked_segments_are_checked():
    mixed = block(read1=[("r", "A", "I")], read2=[("r", "a", "\x01")])
    run(ValidateQuality(encoding="Sanger", segment="read1"), mixed)
    refused(ValidateQuality(encoding="Sanger", segment="All"), mixed)
    run(ValidateSeq(allowed="A", segment="read1"), mixed)
    assert "read2" in refused(ValidateSeq(allowed="A", segment="all"), mixed)


def test_a_base_that_is_not_allowed_is_told_with_its_read():
    message = refused(ValidateSeq(allowed="ACGT"), block(read1=sequences("ACGT", "AC GT")))
    assert message.endswith(
        "read 2 of read1 ('r1'): invalid base in sequence 'AC GT'; expected only ACGT"
    )


def test_reads_of_one_length_pass_over_several_blocks():
    step = ValidateAllReadsSameLength(source="read1")
    run_all(step, block(read1=sequences("AC", "GT")), block(read1=sequences("AA")))
    message = refused(
        step, block(read1=sequences("AC")), block(read1=sequences("AC", "A"), first=1)
    )
    assert "read 3 of read1" in message
    assert "differing read lengths for source 'read1': 1 here, 2 before" in message
    assert "3 here, 2 before" in refused(
        step, block(read1=sequences("AC")), block(read1=sequences("ACG", "ACG"))
    )


def test_lengths_of_all_segments_count_together():
    step = ValidateAllReadsSameLength(source="all")
    run(step, block(read1=sequences("AC", "A"), read2=sequences("A", "AC")))
    refused(step, block(read1=sequences("AC", "A"), read2=sequences("A", "A")))


def test_lengths_of_names_count_without_comment():
    step = ValidateAllReadsSameLength(source="name:read1")
    run(step, block(read1=[("aa x", "A", "I"), ("bb", "ACG", "III")]))
    refused(step, block(read1=[("aa", "A", "I"), ("b", "A", "I")]))


def test_lengths_of_tags_count_where_they_are():
    step = ValidateAllReadsSameLength(source="tag:t")
    reads = sequences("ACGT", "ACGT", "ACGT")
    hits = regions(None, [("read1", 0, 2, "AC"), ("read1", 3, 1, "T")], [("read1", 0, 3, "ACG")])
    run(step, block(read1=reads, tags={"t": hits}))
    run(step, block(read1=reads, tags={"t": strings("AC", None, "GT")}))
    message = refused(step, block(read1=reads, tags={"t": strings("AC", None, "G")}))
    assert re.search("'tag:t': 1 here, 2 before", message)
