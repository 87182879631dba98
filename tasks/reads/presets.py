"""Whole configurations to begin with: what users of fastp get when they say nothing.

fastp          its steps and defaults; adapters are confirmed, and found with an indel, too
fastp-strict   the same reads, byte for byte, as fastp 0.23.2
"""

_TEMPLATE = """\
# {what}
[input]
read1 = ["sample_R1.fastq.gz"]
read2 = ["sample_R2.fastq.gz"]

[[step]]
action = "Statistics"
name = "before"
duplicates = true

[[step]]
action = "TrimPolyG"
segment = "read1"
only_two_colour = true

[[step]]
action = "TrimPolyG"
segment = "read2"
only_two_colour = true

[[step]]
action = "TrimAdaptersByOverlap"
segment1 = "read1"
segment2 = "read2"
confirm_adapter = {confirm}
{more}
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
PRESETS = {
    "fastp": _TEMPLATE.format(
        what="Paired reads: fastp's steps; adapters are confirmed by their sequence.",
        confirm="true",
        more=_SEQUENCES,
    ),
    "fastp-strict": _TEMPLATE.format(
        what="Paired reads: the same output as fastp 0.23.2 without options.",
        confirm="false",
        more="",
    ),
}
