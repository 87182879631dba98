"""What a run over reads calls its files, beside the folders of the samples."""

PAGE = "report.html"
SAMPLES = "samples.csv"
FAILED = "failed.csv"
CHECKSUMS = "checksums.sha256"
MULTIQC = "multiqc"
INFO = "pipeline_info"
LATEST = "latest"
"""Points to the newest run."""
MANIFEST = "RUN.json"
"""As of every pipeline."""

TAKEN = frozenset({PAGE, SAMPLES, FAILED, CHECKSUMS, MULTIQC, INFO, LATEST, MANIFEST})
"""Names that no sample may have, in any case of letters: some file systems tell no difference."""


def is_taken(name: str) -> bool:
    """Whether a folder of that name would lie where a run writes something else."""
    return name.lower() in {one.lower() for one in TAKEN}
