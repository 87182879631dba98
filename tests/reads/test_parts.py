"""A sample in parts gives what it gives as a whole: texts, counts and reports."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from blocks.errors import InputError
from tasks.reads import accounts
from tasks.reads.configuration import Configuration, checked
from tasks.reads.decompression import InputFile
from tasks.reads.parts import count_molecules, join, process_part, unsplittable
from tasks.reads.processing import Choices, Processed, process
from tasks.reads.verification import differences

LANES = (13, 1, 20, 7)
REPORTS = [
    {"action": "Statistics", "name": "before", "duplicates": True},
    {"action": "Report", "name": "all", "base_statistics": True, "length_distribution": True,
     "duplicate_count_per_read": True, "duplicate_count_per_fragment": True,
     "count_oligos": ["ACG"], "count_oligos_segment": "read1"},
]  # fmt: skip
NUMBERED = [
    {"action": "FilterSample", "p": 0.6, "seed": 3},
    {"action": "Rename", "search": "^r", "replacement": "n{{READ_INDEX}}_"},
    {"action": "EvalExpression", "expression": "read_no", "out_label": "number",
     "result_type": "numeric"},
    {"action": "FilterByNumericTag", "in_label": "number", "max_value": 37,
     "keep_or_remove": "Keep"},
]  # fmt: skip
TRIMMED = [
    {"action": "TrimAdaptersByOverlap", "confirm_adapter": False, "min_overlap": 10},
    {"action": "TrimPolyG", "segment": "read1"},
    {"action": "FilterQuality", "min_length": 20},
    {"action": "Statistics", "name": "after"},
]
SPLIT_BY_BARCODE = [
    {"action": "ExtractRegion", "segment": "read1", "start": 0, "length": 1, "anchor": "Start",
     "out_label": "first"},
    {"action": "Demultiplex", "in_label": "first", "barcodes": "sides", "output_unmatched": True},
    {"action": "Report", "name": "sides", "count": True},
]  # fmt: skip


def lane(path: Path, count: int, seed: int) -> None:
    draw = random.Random(seed)
    text = ""
    for number in range(count):
        size = draw.randint(8, 40)
        bases = "".join(draw.choices("ACGTN", [25, 25, 25, 24, 1], k=size))
        text += f"@r{seed // 2}:{number}\n{bases}\n+\n{''.join(draw.choices('#5:?DI', k=size))}\n"
    path.write_bytes(gzip.compress(text.encode()) if seed % 3 else text.encode())


@pytest.fixture
def files(tmp_path: Path) -> dict[str, list[str]]:
    """Lanes of pairs."""
    names: dict[str, list[str]] = {"read1": [], "read2": []}
    for number, count in enumerate(LANES):
        for mate, segment in enumerate(names):
            path = tmp_path / f"{segment}_{number}.fq"
            lane(path, count, 2 * number + mate)
            names[segment].append(str(path))
    return names


def configured(files, folder: Path, steps, **output) -> Configuration:
    folder.mkdir(exist_ok=True)
    reports = any(step["action"] in ("Report", "Statistics") for step in steps)
    told = {"prefix": "s", "report_json": reports, "report_fastp": reports} | output
    content = {
        "input": files, "output": told, "step": steps,
        "barcodes": {"sides": {"A": "left", "C": "right"}},
    }  # fmt: skip
    if not any(step["action"] == "Demultiplex" for step in steps):
        del content["barcodes"]
    return checked(content, {}, folders=(Path(), folder))


def in_parts(files, folder: Path, steps, cuts=((0, 2), (2, 3), (3, 4)), **output) -> Processed:
    """What parts give, each with another number of workers and size of blocks."""
    parts, first = [], 0
    for number, (begin, end) in enumerate(cuts):
        configuration = configured(files, folder / str(number), steps, **output)
        choices = Choices(workers=number + 1, block_size=3 + number)
        parts.append(process_part(configuration, range(begin, end), first, choices))
        first += count_molecules(configuration, range(begin, end))
    return join(configured(files, folder / "whole", steps, **output), parts, Choices())


@pytest.mark.parametrize(
    ("steps", "output"),
    [
        pytest.param(REPORTS, {}, id="reports"),
        pytest.param(NUMBERED, {}, id="numbers of molecules"),
        pytest.param([*REPORTS[:1], *TRIMMED], {"compression": "Gzip"}, id="trimming"),
        pytest.param(SPLIT_BY_BARCODE, {"compression": "Zstd"}, id="barcodes"),
        pytest.param(TRIMMED, {"interleave": ["read1", "read2"]}, id="interleaved"),
        pytest.param(TRIMMED, {"compression": "Bgzf", "output_hash_uncompressed": True}, id="BGZF"),
        pytest.param(TRIMMED, {"format": "None"}, id="reports only"),
    ],
)
def test_parts_give_the_whole(tmp_path, files, steps, output):
    (tmp_path / "parts").mkdir()
    whole = process(configured(files, tmp_path / "one", steps, **output))

    joined = in_parts(files, tmp_path / "parts", steps, **output)

    assert list(differences(tmp_path / "one", tmp_path / "parts" / "whole", "s")) == []
    assert (joined.molecules_in, joined.molecules_out) == (whole.molecules_in, whole.molecules_out)
    assert joined.dropped == whole.dropped
    assert joined.molecules_in == joined.molecules_out + sum(joined.dropped.values()) == sum(LANES)
    named = {one.path.name: one.molecules for one in joined.reads}
    assert named == {one.path.name: one.molecules for one in whole.reads}
    assert {path.name for path in joined.files} == {path.name for path in whole.files}
    left = {path.name for path in (tmp_path / "parts" / "whole").iterdir()}
    assert left == {path.name for path in (tmp_path / "one").iterdir()}


def test_bgzf_files_end_once(tmp_path, files):
    (tmp_path / "parts").mkdir()
    in_parts(files, tmp_path / "parts", [], compression="Bgzf")

    content = (tmp_path / "parts" / "whole" / "s_read1.fq.gz").read_bytes()
    end = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    assert content.count(end) == 1
    assert content.endswith(end)


def test_a_read_that_is_wrong_is_named_by_its_file(tmp_path, files):
    path = Path(files["read1"][2])
    path.write_bytes(path.read_bytes() + gzip.compress(b"@x\nAC\n+\nI\n"))
    configuration = configured(files, tmp_path / "out", TRIMMED)

    with pytest.raises(InputError, match=r"read1_2\.fq.*record 21 "):
        process_part(configuration, range(2, 3), 14, Choices())
    assert not list((tmp_path / "out").iterdir())


def test_a_step_names_the_read_in_its_file(tmp_path, files):
    text = Path(files["read1"][3]).read_text()
    Path(files["read1"][3]).write_text(text.replace("@r3:2\n", "@other:2\n"))
    steps = [{"action": "ValidateName", "sample_stride": 1}]
    configuration = configured(files, tmp_path / "out", steps)

    with pytest.raises(InputError, match=r"read2_3\.fq: record 3: ValidateName: read 37"):
        process_part(configuration, range(3, 4), 34, Choices())


@pytest.mark.parametrize(
    ("steps", "output", "reason"),
    [
        ([{"action": "Head", "n": 5}], {}, r"step 1 \(Head\) needs all reads"),
        ([{"action": "FilterReservoirSample", "n": 5, "seed": 1}], {}, r"\(FilterReservoirSample"),
        ([{"action": "Inspect", "n": 2, "infix": "i", "segment": "read1"}], {}, "writes a file"),
        ([], {"chunksize": 5}, "chunksize"),
        ([], {"format": "Bam"}, "BAM"),
        (TRIMMED, {}, "^$"),
    ],
    ids=["Head", "reservoir", "Inspect", "chunks", "BAM", "free"],
)
def test_what_needs_the_order_is_not_split(tmp_path, files, steps, output, reason):
    import re

    configuration = configured(files, tmp_path / "out", steps, **output)
    assert re.search(reason, unsplittable(configuration))


def test_accounts_come_back_as_they_were(tmp_path, files):
    from tasks.reads.processing import stages_of

    stages = stages_of(configured(files, tmp_path / "out", REPORTS), None)
    forms = [stage.account() for stage in stages]
    accounts.keep([[form, form] for form in forms], tmp_path / "a.npz")

    for stage, both in zip(stages, accounts.kept(tmp_path / "a.npz", forms), strict=True):
        told = [stage.finish(each) for each in (both, [stage.account()])]
        assert json.dumps(told[0], default=np.ndarray.tolist) == json.dumps(
            told[1], default=np.ndarray.tolist
        )


def test_files_of_accounts_hold_no_code(tmp_path):
    np.savez(tmp_path / "a.npz", told=np.array([{"a": 1}], dtype=object))

    with pytest.raises(ValueError, match="allow_pickle"):
        accounts.kept(tmp_path / "a.npz", [])


def test_texts_are_those_of_all_lanes(tmp_path, files):
    (tmp_path / "parts").mkdir()
    in_parts(files, tmp_path / "parts", [], compression="Gzip")

    wanted = b""
    for name in files["read2"]:
        file = InputFile(name)
        piece = bytearray(100_000)
        wanted += bytes(piece[: file.read_into(memoryview(piece))])
        file.close()
    packed = (tmp_path / "parts" / "whole" / "s_read2.fq.gz").read_bytes()
    assert gzip.decompress(packed) == wanted
