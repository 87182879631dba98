"""`seqloom reads`: FASTQ processing from the command line, without a server.

seqloom reads template > cfg.toml   a configuration to begin with
seqloom reads list-steps            all steps
seqloom reads validate cfg.toml     check a configuration; no data are read
seqloom reads process cfg.toml      run it
seqloom reads verify cfg.toml       run it again and compare with earlier outputs
seqloom reads warmup                compile what runs need; once for each installation
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from cyclopts.validators import Number

from blocks.errors import InputError
from blocks.locks import claim
from deployments.telling import put, tell

if TYPE_CHECKING:
    from tasks.reads.configuration import Configuration
    from tasks.reads.processing import Processed

FAILED = 1
NAMED = 6
"""Files that a run names when it is done; more are only counted."""

reads_app = App(name="reads", help="FASTQ processing: check, run and verify configurations.")

Config = Annotated[Path, Parameter(help="configuration in TOML, YAML or JSON")]
Count = Annotated[int | None, Parameter(validator=Number(gte=1, lte=1 << 24))]
Threads = Annotated[int | None, Parameter(validator=Number(gte=1, lte=1024))]
Folder = Annotated[Path | None, Parameter(help="folder for outputs; relative to it is the prefix")]
Kept = Annotated[Path | None, Parameter(help="where the new outputs are left if they differ")]


@reads_app.command
def process(
    config: Config,
    /,
    *,
    workers: Threads = None,
    max_blocks: Count = None,
    block_size: Count = None,
    benchmark: Annotated[bool, Parameter(negative="", help="measure, write nothing")] = False,
    allow_overwrite: Annotated[bool, Parameter(negative="", help="replace older outputs")] = False,
    output_dir: Folder = None,
) -> int:
    """Run a configuration.

    Parameters
    ----------
    workers
        Threads for steps; else `options.threads`, else one for each core. Reading has one more;
        with one worker, compressing too.
    max_blocks
        Most blocks in memory.
    block_size
        Molecules in a block; changes no output.
    """
    from tasks.reads.configuration import read_configuration
    from tasks.reads.processing import Choices, process

    configuration = read_configuration(config, output_folder=output_dir)
    _check_streams(configuration)
    _announce()
    choices = Choices(
        workers=workers, max_blocks=max_blocks, block_size=block_size, benchmark=benchmark,
        allow_overwrite=allow_overwrite,
    )  # fmt: skip
    with _alone(configuration, measured=benchmark):
        done = process(configuration, choices)
    for line in done.notes:
        tell(line)
    tell(_summary(done))
    return 0


@reads_app.command
def verify(config: Config, /, *, output_dir: Kept = None, workers: Threads = None) -> int:
    """Run a configuration again and compare with the outputs that are there, below this folder.

    Parameters
    ----------
    workers
        Threads.
    """
    from tasks.reads.configuration import read_configuration
    from tasks.reads.verification import verify

    _check_streams(read_configuration(config, folder=config.parent))
    _announce()
    differences = verify(config, keep=output_dir, workers=workers)
    for line in differences:
        tell(line)
    if not differences:
        tell(f"{config}: outputs are the same")
    return FAILED if differences else 0


@reads_app.command
def validate(config: Config, /) -> int:
    """Check a configuration; no data are read."""
    from tasks.reads.configuration import read_configuration

    read = read_configuration(config)
    put(f"{config}: {_counted(len(read.steps), 'step')}, segments {', '.join(read.segments)}")
    return 0


@reads_app.command
def template(step: Annotated[str | None, Parameter(help="only this step")] = None, /) -> int:
    """Print a configuration to begin with, or what one step takes."""
    from tasks.reads.template import template

    put(template(step))
    return 0


@reads_app.command
def list_steps() -> int:
    """List all steps."""
    from tasks.reads.template import step_lines

    put("\n".join(step_lines()))
    return 0


@reads_app.command
def warmup() -> int:
    """Compile what runs need into the cache."""
    from tasks.reads.kernels.jit import warmup

    count = warmup()
    put(f"{_counted(count, 'file')} of kernels compiled" if count else "all kernels are there")
    return 0


def _announce() -> None:
    """Say why a first run begins late."""
    from tasks.reads.kernels.jit import is_warm

    if not is_warm():
        tell("what is needed is compiled first, up to 20 s; `seqloom reads warmup` does it ahead")


@contextmanager
def _alone(configuration: "Configuration", *, measured: bool) -> Iterator[None]:
    """Keep other runs from writing files of the same prefix.

    Raises:
        InputError: One does.
    """
    from tasks.reads.processing import Plan
    from tasks.reads.step import partial

    if next(Plan(configuration, measured=measured).every_file(), None) is None:
        yield
        return
    prefix = configuration.folders[1] / configuration.output.prefix
    with claim(partial(prefix)) as alone:
        if not alone:
            told = f"{prefix}: another run is writing files of this prefix"
            raise InputError(f"{told}; expected its end, or another prefix")
        yield


def _summary(done: "Processed") -> str:
    parts = [f"{_counted(done.molecules_in, 'molecule')} in", f"{done.molecules_out} out"]
    names = ": " + ", ".join(map(str, done.files)) if 0 < len(done.files) <= NAMED else ""
    files = _counted(len(done.files), "file")
    return f"{', '.join(parts)}, {done.seconds:.1f} s, {files}{names}"


def _counted(count: int, one: str) -> str:
    return f"{count} {one}{'s'[: count != 1]}"


def _check_streams(configuration: "Configuration") -> None:
    """Whether the standard streams are there that a run reads or writes."""
    from tasks.reads.decompression import STANDARD_INPUT

    if configuration.output.stdout and sys.stdout is None:
        raise InputError("standard output: is closed; expected it to be open: stdout = true")
    read = [one for one in configuration.input.every_file() if one in STANDARD_INPUT]
    if read and sys.stdin is None:
        raise InputError(
            f"standard input: is closed; expected it to be open: {read[0]} is an input"
        )
