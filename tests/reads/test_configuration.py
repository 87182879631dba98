"""Configurations: what is accepted, and every mistake with its line."""

import importlib
import json
import pkgutil
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from blocks.errors import InputError
from tasks.reads import steps
from tasks.reads.aliases import action_called, choice_called, field_called
from tasks.reads.catalogue import STEPS
from tasks.reads.configuration import Configuration, checked, parsed, read_configuration
from tasks.reads.file_names import read_outputs
from tasks.reads.step import StepParams
from tasks.reads.template import template
from tasks.reads.toml_places import toml_places, yaml_places

CASES: list[dict[str, Any]] = yaml.safe_load(
    (Path(__file__).parents[1] / "cases" / "reads" / "configurations.yaml").read_text("utf-8")
)
PLAIN = """
[input]
read1 = 'a.fq'
read2 = 'b.fq'
[output]
prefix = 'out'
"""


def read(text: str, name: str = "config.toml") -> Configuration:
    content, places = parsed(text, Path(name))
    return checked(content, places, file=name, text=text)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_each_mistake_is_told_with_its_line(case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text(case["toml"])

    with pytest.raises(InputError) as caught:
        read_configuration(path)

    lines = str(caught.value).split("\n")
    if "says" in case:
        assert lines == case["says"]
    else:
        assert len(lines) == len(case["match"])
        for line, pattern in zip(lines, case["match"], strict=True):
            assert re.fullmatch(pattern, line)


def test_same_content_in_yaml_and_json() -> None:
    content = tomllib.loads(PLAIN)

    as_json = read(json.dumps(content), "config.json")
    as_yaml = read(yaml.safe_dump(content), "config.yaml")

    assert read(PLAIN).input == as_json.input == as_yaml.input
    assert read(PLAIN).output == as_json.output == as_yaml.output


def test_mistake_in_yaml_has_its_line() -> None:
    text = "input:\n  read1: a.fq\noutput:\n  prefix: out\n  output: [read2]\n"

    with pytest.raises(InputError, match=r"config.yaml:5: \[output\], output: 'read2' not found"):
        read(text, "config.yaml")


def test_mistake_in_a_form_names_section_and_field() -> None:
    content = {"input": {"read1": "a.fq"}, "output": {"prefix": "out", "output": ["read2"]}}

    with pytest.raises(InputError, match=r"form: \[output\], output: 'read2' not found"):
        checked(content, {}, file="form")


def test_case_dashes_and_synonyms_of_keys_do_not_matter() -> None:
    text = (
        PLAIN
        + """
    [OPTIONS]
    Thread-Count = 3
    [[Step]]
    Action = 'cut_start'
    N = 2
    SEGMENT = 'read1'
    [[step]]
    action = 'ExtractIUPAC'
    outLabel = 'found'
    query = 'ACGT'
    segment = 'read1'
    anchor = 'left'
    max_mismatches = 0
    [[step]]
    action = 'StoreTagsInComment'
    in_label = 'found'
    segment = 'read1'
    """
    )

    configuration = read(text.replace("[[Step]]", "[[step]]"))

    assert configuration.options.threads == 3
    assert [one.action for one in configuration.steps[1:]] == [
        "CutStart", "ExtractIUPAC", "StoreTagInComment",
    ]  # fmt: skip


def test_segments_are_in_alphabetical_order() -> None:
    text = "[input]\nread1 = 'a'\nindex1 = 'b'\n[output]\nprefix = 'out'\n"

    assert read(text).segments == ("index1", "read1")


def test_interleaved_segments_keep_their_order() -> None:
    text = "[input]\nsource = 'a'\ninterleaved = ['z', 'b']\n[output]\nprefix = 'out'\n"

    assert read(text).segments == ("z", "b")


def test_options_may_stand_in_the_input_table() -> None:
    text = "[input]\nread1 = 'a'\noptions.fasta_fake_quality = 'B'\n[output]\nprefix = 'out'\n"

    assert read(text).input.options.fasta_fake_quality == ord("B")


def test_only_segment_is_taken_where_none_is_named() -> None:
    text = "[input]\nread1 = 'a'\n[output]\nprefix = 'out'\n[[step]]\naction = 'CutEnd'\nn = 1\n"

    assert read(text).steps[0].model_dump()["segment"] == "read1"


def test_names_of_mates_are_checked_unless_told_otherwise() -> None:
    without = PLAIN + "[options]\nspot_check_read_pairing = false\n"
    own = PLAIN + "[[step]]\naction = 'ValidateName'\n"

    assert [one.action for one in read(PLAIN).steps] == ["ValidateReadPairing"]
    assert read(without).steps == ()
    assert [one.action for one in read(own).steps] == ["ValidateName"]


def test_benchmark_writes_nothing() -> None:
    configuration = read(PLAIN + "[benchmark]\nenable = true\nmolecule_count = 10\n")

    assert read_outputs(configuration.output, ("read1",), {0: ""}, Path()) == []


@pytest.mark.parametrize(
    ("settings", "names"),
    [
        ("", ["out_read1.fq", "out_read2.fq"]),
        ("compression = 'gz'", ["out_read1.fq.gz", "out_read2.fq.gz"]),
        ("suffix = 'fastq'", ["out_read1.fastq", "out_read2.fastq"]),
        ("ix_separator = '--'", ["out--read1.fq", "out--read2.fq"]),
        ("format = 'fasta'\noutput = ['read2']", ["out_read2.fasta"]),
        ("interleave = ['read2', 'read1']", ["out_interleaved.fq"]),
        ("format = 'bam'\ninterleave = ['read1', 'read2']", ["out_interleaved.bam"]),
        ("format = 'None'", []),
    ],
)
def test_names_of_the_files_of_reads(settings: str, names: list[str]) -> None:
    configuration = read(PLAIN + settings)
    outputs = read_outputs(
        configuration.output, configuration.segments, configuration.streams, Path()
    )

    assert [one.stems[0].name + one.suffix for one in outputs] == names


def test_exact_names_go_before_synonyms() -> None:
    assert field_called("query", ["search", "n"]) == "search"
    assert field_called("query", ["search", "query"]) == "query"
    assert field_called("Out-Label", ["out_label"]) == "out_label"
    assert field_called("colour", ["out_label"]) is None
    assert choice_called("left", ["Start", "End"]) == "Start"
    assert choice_called(">=", ["Above", "AboveOrEqual"]) == "AboveOrEqual"
    assert action_called("reservoirSample", ["FilterReservoirSample"]) == "FilterReservoirSample"


def test_steps_are_called_as_their_actions() -> None:
    assert all(
        name == model.model_fields["action"].default and (model.__doc__ or "").strip()
        for name, model in STEPS.items()
    )


def test_catalogue_holds_every_step_that_there_is() -> None:
    for module in pkgutil.iter_modules(steps.__path__):
        importlib.import_module(f"{steps.__name__}.{module.name}")

    def below(model: type[StepParams]) -> set[type[StepParams]]:
        return {model}.union(*(below(one) for one in model.__subclasses__()))

    there = {
        one
        for one in below(StepParams)  # type: ignore[type-abstract]  # only its name is asked
        if one.__module__.startswith(steps.__name__)
        and isinstance(one.model_fields["action"].default, str)
    }
    assert set(STEPS.values()) == there


@pytest.mark.parametrize("action", sorted(STEPS))
def test_each_step_has_a_template(action: str) -> None:
    assert f'action = "{action}"' in template(action)


def test_template_is_a_configuration_that_is_accepted() -> None:
    assert read(template()).steps[0].action == "Head"


KEYS = st.from_regex(r"[a-z]{1,4}", fullmatch=True)
VALUES = st.recursive(
    st.one_of(st.integers(-9, 9), st.booleans(), st.text("ab'\"#[]{}=,\n \\", max_size=6)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=3)),
    max_leaves=8,
)


def _ways(value: Any, way: tuple[str | int, ...] = ()) -> set[tuple[str | int, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    below = [
        _ways(inner, (*way, key)) if isinstance(inner, dict | list) else {(*way, key)}
        for key, inner in pairs
    ]
    return {way}.union(*below)


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {_toml(inner)}" for key, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[\n" + ",\n".join(map(_toml, value)) + "\n]"
    return json.dumps(value)


@given(st.dictionaries(KEYS, VALUES, max_size=4))
def test_every_value_of_a_toml_text_has_a_line(content: dict[str, Any]) -> None:
    text = "".join(f"{key} = {_toml(value)} # [note]\n" for key, value in content.items())
    assert tomllib.loads(text) == content

    assert set(toml_places(text)) == _ways(content) - {()}


def test_lines_of_tables_keys_and_items() -> None:
    text = """
[input] # "first"
read1 = [
    'a', 'b',
    'c']
options.x = 1
[[step]]
action = \"\"\"
three
\"\"\"
[[step]]
"my key" = {a = 1, b = ["x",
   'y']}
[barcodes.one]
""".replace('\\"', '"')
    places = toml_places(text)

    assert places["input",] == 2
    assert places["input", "read1", 2] == 5
    assert places["input", "options", "x"] == 6
    assert places["step", 1] == 11
    assert places["step", 1, "my key", "b", 1] == 13
    assert places["barcodes", "one"] == 14


def test_lines_of_yaml_and_json() -> None:
    assert yaml_places("a:\n  - 1\n  - b: 2\n")["a", 1, "b"] == 3
    assert yaml_places('{\n"a": [1,\n 2]}')["a", 1] == 3


@pytest.mark.parametrize(
    ("more", "most"),
    [
        ("", 255 - len("_read1.fq.incomplete")),
        ("output_hash_compressed = true", 255 - len("_read1.fq.uncompressed.sha256.incomplete")),
        ("chunksize = 5", 255 - len("_read1.fq.1234567890.incomplete")),
        ("report_timing = true", 255 - len("_timing.json.incomplete")),
    ],
)
def test_names_that_are_too_long_for_a_file_are_refused_with_their_line(more, most):
    text = "[input]\nread1 = 'a.fq'\n[output]\nprefix = '{}'\n" + more

    read(text.format("a" * most))
    with pytest.raises(InputError) as caught:
        read(text.format("a" * (most + 1)))

    assert str(caught.value).startswith(
        f"config.toml:4: output files: the name of a file is too long: '{56 * 'a'}...; expected"
    )


@pytest.mark.parametrize("prefix", [f"{256 * 'a'}/b", 2_100 * "a/" + "b"])
def test_folders_and_paths_that_are_too_long_are_refused(prefix):
    with pytest.raises(InputError, match="output files: the name of a file is too long: "):
        read(f"[input]\nread1 = 'a.fq'\n[output]\nprefix = '{prefix}'\n")


def test_names_of_barcodes_count_for_the_length_of_names():
    text = (
        "[input]\nread1 = 'a.fq'\n[barcodes.plate]\nACGT = '%s'\n[output]\nprefix = 'out'\n"
        "[[step]]\naction = 'ExtractRegion'\nsource = 'read1'\nstart = 0\nlen = 4\n"
        "anchor = 'start'\nout_label = 'code'\n"
        "[[step]]\naction = 'Demultiplex'\nin_label = 'code'\nbarcodes = 'plate'\n"
        "output_unmatched = true\n"
    )
    read(text % "well1")
    with pytest.raises(InputError, match="the name of a file is too long: 'out_wwww"):
        read(text % ("w" * 240))


def test_what_messages_quote_is_short():
    text = "[input]\nread1 = ['{0}', '{0}']\n[output]\nprefix = 'out'\n{1} = 1\n"

    with pytest.raises(InputError) as caught:
        read(text.format("a" * 9_000, "b" * 9_000))

    assert [len(line) < 400 for line in str(caught.value).split("\n")] == [True, True]
