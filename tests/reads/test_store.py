"""Tags in names, in tables and in files of their own."""

import dataclasses
import gzip
import json

import numpy as np
import pytest
from pydantic import ValidationError

from blocks.errors import InputError
from tasks.reads.step import partial
from tasks.reads.steps.files import QuantifyTag, StoreTagInFastQ, StoreTagsInTable
from tasks.reads.steps.side_files import SideFile
from tasks.reads.steps.store import (
    StoreTagInComment,
    StoreTagLocationInComment,
    full_number,
    short_number,
)  # fmt: skip
from tasks.reads.steps.watch import Inspect, Progress
from tests.reads.blocks import (
    KINDS,
    around,
    block,
    names,
    numbers,
    regions,
    run,
    strings,
    truths,
)  # fmt: skip

TWO = regions([("read1", 0, 2, "AC"), ("read2", 1, 1, "G")], [], [("", -1, 1, "x")])


def named(*given, **tags):
    reads = [(name, "ACGT", "IIII") for name in given]
    return block(tags=tags, read1=reads, read2=reads)


def test_a_value_stands_before_the_comment_of_each_segment():
    done = run(StoreTagInComment(in_label="t"), named("a b c", "d", "e f", t=TWO))
    assert names(done) == ["a|t=AC_G b c", "d|t=", "e|t=x f"]
    assert names(done, "read2") == names(done)


def test_a_single_segment_may_be_chosen_and_all_tags_written_by_name():
    given = named("a", z=truths(True), b=numbers(2.5))
    done = run(StoreTagInComment(segment="read2"), given)
    assert (names(done), names(done, "read2")) == (["a"], ["a|b=2.5000|z=1"])


def test_separator_and_insert_character_may_be_others():
    step = StoreTagInComment(in_label="t", comment_separator=" ", comment_insert_char="!")
    assert names(run(step, named("a b", t=strings("v")))) == ["a b t=v"]


@pytest.mark.parametrize("value", ["A|C", "A C"])
def test_a_value_that_holds_a_separator_is_an_error(value):
    with pytest.raises(
        InputError, match=r"read 2 \(q\): tag value must not contain the comment sep"
    ):
        run(StoreTagInComment(in_label="t"), named("p", "q", t=strings("ok", value)))


def test_a_label_that_holds_the_separator_is_told_before_the_run():
    step = StoreTagInComment(in_label="my_tag", comment_separator="a")
    assert "'a'" in step.problems(around())[0]


def test_places_are_0_based_half_open_and_empty_where_they_are_lost():
    done = run(StoreTagLocationInComment(in_label="t"), named("a", "b c", "d", t=TWO))
    assert names(done) == ["a|t_location=read1:0-2,read2:1-2", "b|t_location= c", "d|t_location="]


@pytest.mark.parametrize(
    ("value", "short", "full"),
    [
        (3.0, "3", "3"),
        (-0.5, "-0.5000", "-0.5"),
        (45 + 5 / 11, "45.4545", "45.45454545454545"),
        (1.25e-5, "1.2500e-5", "0.0000125"),
        (12_345_678_912.5, "1.2346e10", "12345678912.5"),
        (np.nan, "", ""),
    ],
)
def test_numbers_are_written_shortly_in_names_and_fully_in_tables(value, short, full):
    assert (short_number(value), full_number(value)) == (short, full)


def carried_out(step, folder, *blocks, streams=None):
    given = around(*blocks[0].segments, folder=folder)
    kinds = {label: KINDS[type(tag)] for label, tag in blocks[0].tags.items()}
    given = dataclasses.replace(given, tags=kinds, streams=streams or {0: ""})
    stage = step.build(given)
    account = stage.account()
    for each in blocks:
        stage.run(each, account)
    stage.finish([account])
    return {path.name: partial(path).read_bytes() for path in step.files(given)}


def split(given, *bits):
    return dataclasses.replace(given, stream=np.array(bits))


def test_a_table_has_a_column_for_each_tag_by_name_and_a_line_for_each_molecule(tmp_path):
    given = named("a x", "b", z=numbers(0.5, np.nan), c=regions([("read1", 0, 1, "A")] * 2, []))
    files = carried_out(StoreTagsInTable(infix="i"), tmp_path, given)
    assert files == {"out_i.tsv": b"ReadName\tc\tz\na\tA_A\t0.5\nb\t\t\n"}


def test_cells_with_tabs_or_quotes_are_quoted(tmp_path):
    files = carried_out(StoreTagsInTable(), tmp_path, named('a"b', t=strings("x\ty")))
    assert files["out.tsv"].splitlines()[1] == b'"a""b"\t"x\ty"'


def test_each_stream_has_a_table_and_what_has_no_stream_is_left_out(tmp_path):
    given = split(named("a", "b", "c", t=numbers(1, 2, 3)), 2, 0, 1)
    files = carried_out(StoreTagsInTable(), tmp_path, given, streams={1: "x", 2: "y"})
    assert files == {
        "out_x.tsv": b"ReadName\tt\nc\t3\n",
        "out_y.tsv": b"ReadName\tt\na\t1\n",
    }


def test_tables_are_the_same_whatever_the_blocks(tmp_path):
    whole = named(*"abcdef", t=numbers(*range(6)))
    step = StoreTagsInTable(compression="Gzip")
    parts = [whole.take(np.arange(6)[rows]) for rows in (slice(2), slice(2, 3), slice(3, 6))]
    at_once = carried_out(step, tmp_path, whole)
    assert carried_out(step, tmp_path, *parts) == at_once
    assert gzip.decompress(at_once["out.tsv.gz"]).count(b"\n") == 7


def test_compressed_pieces_do_not_depend_on_how_they_were_written(tmp_path):
    texts = [np.random.default_rng(1).bytes(600_000)] * 3
    written = []
    for pieces in (texts, [b"".join(texts)]):
        file = SideFile(tmp_path / "x", "Gzip")
        for piece in pieces:
            file.write(piece)
        file.close()
        written.append(partial(tmp_path / "x").read_bytes())
    assert written[0] == written[1]
    assert gzip.decompress(written[0]) == b"".join(texts)


def test_the_text_of_a_tag_becomes_a_read(tmp_path):
    given = named("a x", "b", "c", t=TWO, n=numbers(1, 2, 3))
    files = carried_out(StoreTagInFastQ(in_label="t", comment_tags=["n"]), tmp_path, given)
    assert files == {
        "out_tag.t.fq": b"@a|n=1|t_location=read1:0-2,read2:1-2 x\nAC_G\n+\n~~~~\n@c|n=3\nx\n+\n~\n"
    }


def test_reads_of_a_tag_may_be_fasta_without_places(tmp_path):
    step = StoreTagInFastQ(in_label="t", comment_location_tags=[], format="Fasta")
    files = carried_out(step, tmp_path, named("a", "b", "c", t=TWO))
    assert files == {"out_tag.t.fasta": b">a\nAC_G\n>c\nx\n"}


def test_values_are_counted_the_most_frequent_first(tmp_path):
    tag = regions(*[[("read1", 0, 1, base)] for base in "TACCA"], [])
    given = split(named(*"abcdef", t=tag), 1, 1, 1, 1, 1, 1)
    step = QuantifyTag(in_label="t", infix="q")
    files = carried_out(step, tmp_path, given, streams={0: "rest", 1: "one"})
    assert files["out_q_one.qr.json"] == b'{\n  "A": 2,\n  "C": 2,\n  "T": 1\n}'
    assert json.loads(files["out_q_rest.qr.json"]) == {}


def test_the_first_molecules_are_written_with_their_stream(tmp_path):
    first, second = named("a", "b"), split(named("c", "d"), 1, 1)
    step = Inspect(n=3, infix="i", segment="All")
    files = carried_out(step, tmp_path, first, second, streams={1: "s"})
    heads = files["out_i_interleaved.fq"].split(b"\n")[::4]
    assert heads == [b"@a", b"@a", b"@b", b"@b", b"@c Demultiplex=s", b"@c Demultiplex=s", b""]


def test_a_compression_has_only_its_levels():
    for wrong in ({"compression": "Gzip", "compression_level": 10}, {"compression_level": 1}):
        with pytest.raises(ValidationError, match="compression_level is"):
            Inspect(n=1, infix="i", segment="read1", **wrong)


def test_progress_tells_every_nth_molecule_and_the_sum(tmp_path):
    blocks = [named("a", "b", "c"), named("d", "e")]
    files = carried_out(Progress(n=2, output_infix="p"), tmp_path, *blocks)
    lines = files["out_p.progress"].decode().splitlines()
    assert [line.split(",")[0] for line in lines[:3]] == [
        f"Processed Total: {count}" for count in (0, 2, 4)
    ]
    assert "to process 5 molecules" in lines[3]


def test_progress_and_reads_cannot_share_standard_output():
    given = dataclasses.replace(around(), stdout=True)
    assert "output_infix" in Progress().problems(given)[0]
