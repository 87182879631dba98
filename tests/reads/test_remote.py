"""Reads from other machines: S3 and the web."""

import functools
import gzip
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest

from blocks.errors import InputError
from deployments import cli
from tasks.reads.jobs import jobs_of
from tasks.reads.model import ReadsParams
from tasks.reads.reading import BlockReader, Source

READS = "".join(f"@r{n}\n{'ACGT' * 25}\n+\n{'I' * 100}\n" for n in range(500))


@pytest.fixture
def web(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback with a file of reads; yields the address of its folder."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "in.fq.gz").write_bytes(gzip.compress(READS.encode()))
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def bucket(s3_server: str) -> str:
    """A bucket with a file of reads."""
    with fsspec.open(f"{s3_server}/in.fq.gz", "wb") as file:
        file.write(gzip.compress(READS.encode()))
    return s3_server


def processed(address: str, folder: Path) -> bytes:
    (folder / "c.toml").write_text(
        f"[input]\nread1 = '{address}/in.fq.gz'\n[output]\nprefix = '{folder}/out'\n"
        "[[step]]\naction = 'CutStart'\nn = 0\n"
    )
    assert cli.main(["reads", "process", str(folder / "c.toml")]) == 0
    return (folder / "out_read1.fq").read_bytes()


def test_reads_come_from_the_web(web: str, tmp_path: Path) -> None:
    assert processed(web, tmp_path) == READS.encode()


def test_a_file_that_is_not_on_the_web_is_named(web: str) -> None:
    reader = BlockReader(Source(("read1",), ((f"{web}/gone.fq",),)), 100)
    with pytest.raises(InputError, match=r"gone\.fq: could not open file"):
        next(iter(reader))


@pytest.mark.tool
def test_reads_come_from_s3(bucket: str, tmp_path: Path) -> None:
    assert processed(bucket, tmp_path) == READS.encode()


@pytest.mark.tool
def test_a_file_that_is_not_on_s3_is_named(bucket: str) -> None:
    reader = BlockReader(Source(("read1",), ((f"{bucket}/gone.fq",),)), 100)
    with pytest.raises(InputError, match=r"gone\.fq: could not open file"):
        next(iter(reader))


def test_files_of_the_web_are_known_by_their_content(web: str) -> None:
    given = {"input": {"read1": [f"{web}/in.fq.gz"]}, "preset": "fastp"}
    (job,) = jobs_of(ReadsParams.model_validate(given))
    assert len(job.inputs["read1"][0].digest) == 64
