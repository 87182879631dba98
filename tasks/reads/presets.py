"""Whole configurations to begin with: what users of fastp get when they say nothing.

fastp          its steps and defaults; adapters are confirmed, and found with an indel, too; of
               single reads only known adapters are cut
fastp-strict   the same reads, byte for byte, as fastp 0.23.2

With `-single` behind the name: for single reads, whose adapter is found in the first of them.
"""

from typing import Literal

Preset = Literal["fastp", "fastp-strict"]
_BEGIN = """\
# {what}
[input]
{files}
[[step]]
action = "Statistics"
name = "before"
duplicates = true
"""
_POLY_G = """
[[step]]
action = "TrimPolyG"
segment = "{segment}"
only_two_colour = true
"""
_OVERLAP = """
[[step]]
action = "TrimAdaptersByOverlap"
segment1 = "read1"
segment2 = "read2"
confirm_adapter = {confirm}
"""
_SEQUENCES = """\
out_label = "adapter_cut"

[[step]]
action = "TrimAdapterSequence"
segment = "read1"
adapter = "AGATCGGAAGAGCACACGTCTGAACTCCAGTCA"
if_tag = "!adapter_cut"

[[step]]
action = "TrimAdapterSequence"
segment = "read2"
adapter = "AGATCGGAAGAGCGTCGTGTAGGGAAAGAGTGT"
if_tag = "!adapter_cut"
"""
_SINGLE = """
[[step]]
action = "TrimAdapterSequence"
segment = "read1"
adapter = "auto"
detection = "{detection}"
max_indels = {indels}
"""
_END = """
[[step]]
action = "FilterQuality"
min_quality = 15
max_low_percent = 40
max_n = 5
min_length = 15

[[step]]
action = "Statistics"
name = "after"

[output]
prefix = "sample"
format = "Fastq"
suffix = "fastq.gz"
compression = "Gzip"
report_json = true
report_fastp = true
"""


def _paired(what: str, *, strict: bool) -> str:
    files = 'read1 = ["sample_R1.fastq.gz"]\nread2 = ["sample_R2.fastq.gz"]\n'
    return (
        _BEGIN.format(what=what, files=files)
        + "".join(_POLY_G.format(segment=segment) for segment in ("read1", "read2"))
        + _OVERLAP.format(confirm="false" if strict else "true")
        + ("" if strict else _SEQUENCES)
        + _END
    )


def _single(what: str, *, strict: bool) -> str:
    return (
        _BEGIN.format(what=what, files='read1 = ["sample.fastq.gz"]\n')
        + _POLY_G.format(segment="read1")
        + _SINGLE.format(detection="fastp" if strict else "known", indels=0 if strict else 1)
        + _END
    )


PRESETS = {
    "fastp": _paired(
        "Paired reads: fastp's steps; adapters are confirmed by their sequence.", strict=False
    ),
    "fastp-strict": _paired(
        "Paired reads: the same output as fastp 0.23.2 without options.", strict=True
    ),
    "fastp-single": _single(
        "Single reads: fastp's steps; a known adapter is found and cut.", strict=False
    ),
    "fastp-strict-single": _single(
        "Single reads: the same output as fastp 0.23.2 without options.", strict=True
    ),
}


def preset_text(preset: Preset, *, paired: bool) -> str:
    """The configuration of a preset for paired or for single reads."""
    return PRESETS[preset if paired else f"{preset}-single"]
