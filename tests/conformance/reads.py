"""Runs a folder of mbf-fastq-processor's test cases: `python tests/conformance/reads.py CASES_DIR`.

A case is a folder with `input.toml`, its input files, and either the files that must come out or
a text (`expected_error.txt`, `expected_runtime_error.txt`) that says why nothing must. Files are
compared as they are after decompression; JSON by its numbers; BAM by its records; pages, timings
and progress only by being there. A refusal counts if it names what the original names: the line or
the field, the value, the tag, the file, the read.

Exit status 1 if less than 90 % of the cases pass.
"""

import argparse
import gzip
import itertools
import json
import math
import os
import re
import shutil
import signal
import struct
import sys
import tempfile
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

WANTED = 0.9
LIMIT_S = 120
BY_PRODUCTS = (".html", ".progress", ".compressed.sha256", "timing.json")
"""Ends of files whose content depends on clock, compressor or layout."""
SKIPPED_KEYS = {"initial_filter_capacity", "actual_filter_capacity", "__", "run_info",
                "report_order"}  # fmt: skip
RANDOM = {"sample", "filtersample", "reservoirsample", "filterreservoirsample"}
GENERATOR = "a random choice, drawn from another generator"
TIES = "a barcode as near to two samples is corrected to neither"
NAMES = "names of all mates are compared, not those of every 1000th pair"
OWN_WORDS = {
    r"where @ was expected": r"expected '@'",
    r"expected readname_end_char": r"read_name_end_char",
    r"requires PHRED\+33": r"invalid quality",
    r"Failed to finish BAM writer": r"cannot be written",
}
"""What some errors of the original's are here; patterns."""


@dataclass(frozen=True)
class Outcome:
    """How a case went: passed, failed or unsupported, and why."""

    name: str
    status: str
    reason: str = ""


@dataclass(frozen=True)
class Ran:
    """What a command did."""

    status: int
    stdout: bytes
    stderr: str


def cases(root: Path) -> Iterator[Path]:
    """Folders with a case, by name."""
    yield from sorted(path.parent for path in root.rglob("input.toml"))


def run_case(folder: Path, name: str) -> Outcome:
    """Run one case in a temporary folder and compare."""
    with tempfile.TemporaryDirectory(prefix="conformance-") as temporary:
        place = Path(temporary)
        _stage(folder, place)
        expected = _expected_message(folder)
        command = "validate" if expected and expected[0] == "expected_error" else "process"
        ran = _run(["reads", command, "config.toml"], place, folder / "stdin")
        if ran.status < 0:
            return Outcome(name, "failed", f"ended by signal {-ran.status}")
        if expected is not None:
            return _refusal(name, ran, expected[1:])
        return _compared(name, folder, place, ran)


def _stage(folder: Path, place: Path) -> None:
    """Everything that is not output, as links; the configuration as a copy."""
    prefix = _prefix(folder)
    for path in folder.rglob("*"):
        inner = path.relative_to(folder)
        ours = str(inner).startswith(prefix) and not inner.name.startswith("input")
        if path.is_dir() or inner.name.startswith("expected_") or ours:
            continue
        target = place / ("config.toml" if str(inner) == "input.toml" else inner)
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".toml" or (folder / "copy_input").exists():
            shutil.copy(path, target)
        else:
            target.symlink_to(path.resolve())


def _content(folder: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((folder / "input.toml").read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        return {}


def _prefix(folder: Path) -> str:
    output = _content(folder).get("output")
    return str(output.get("prefix", "output")) if isinstance(output, dict) else "output"


def _expected_message(folder: Path) -> tuple[str, str, str] | None:
    """Which kind of refusal is expected, how it is written, and its text."""
    for kind in ("expected_error", "expected_runtime_error"):
        for suffix in (".txt", ".regex"):
            path = folder / (kind + suffix)
            if path.exists():
                return kind, suffix, path.read_text()
    return None


def _run(arguments: list[str], place: Path, stdin: Path) -> Ran:
    """The command in a process of its own, forked from this one, which has it all loaded."""
    out, errors = place / ".stdout", place / ".stderr"
    child = os.fork()
    if child == 0:
        _become(arguments, place, stdin, out, errors)
    begin = time.monotonic()
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            break
        if time.monotonic() - begin > LIMIT_S:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    return Ran(code, out.read_bytes(), errors.read_text(errors="replace"))


def _become(arguments: list[str], place: Path, stdin: Path, out: Path, errors: Path) -> None:
    status = 70
    try:
        os.chdir(place)
        for number, path, flags in (
            (0, stdin if stdin.exists() else Path(os.devnull), os.O_RDONLY),
            (1, out, os.O_WRONLY | os.O_CREAT),
            (2, errors, os.O_WRONLY | os.O_CREAT),
        ):
            os.dup2(os.open(path, flags, 0o600), number)
        from deployments.cli import main

        status = main(arguments)
    except BaseException:  # noqa: BLE001 -- the end of a process; the parent reads it
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _refusal(name: str, ran: Ran, expected: tuple[str, str]) -> Outcome:
    """Whether a refusal says what was wanted."""
    kind, text = expected
    said = " | ".join(ran.stderr.split("\n")[-4:]).strip(" |")
    if ran.status == 0:
        return Outcome(name, "failed", "accepted, but must be refused")
    if "Traceback" in ran.stderr or "not supported yet" in ran.stderr:
        status = "failed" if "Traceback" in ran.stderr else "unsupported"
        return Outcome(name, status, said)
    own = [ours for theirs, ours in OWN_WORDS.items() if re.search(theirs, text)]
    if own and re.search(own[0], ran.stderr):
        return Outcome(name, "passed")
    if kind == ".regex":
        text = re.sub(r"\.\*|[\\^$]", " ", text)
    missing = [error for error in _errors(text) if not error.told(ran.stderr)]
    if missing:
        return Outcome(name, "failed", f"says {said!r}, not about {missing[0]}")
    return Outcome(name, "passed")


@dataclass(frozen=True)
class Facts:
    """What identifies an error."""

    names: frozenset[str]
    """Lines, fields, values, tags: two of them must be named, or the only one."""
    words: frozenset[str] = frozenset()
    """Of what is said about the place: a third of them will do as well."""

    def told(self, message: str) -> bool:
        """Whether a message is about this."""
        lowered = message.lower()
        named = sum(name.lower() in lowered for name in self.names)
        known = sum(word.lower()[:6] in lowered for word in self.words)
        enough = min(2, len(self.names))
        return (named >= enough > 0) or (bool(self.words) and 3 * known >= len(self.words))


def _errors(expected: str) -> list[Facts]:
    """What identifies each error that the original tells."""
    parts = re.split(r"(?m)^Error \d+/\d+", expected)
    parts = parts[1:] or parts  # what stands before the first is a headline
    return [facts for part in parts if (facts := _facts(part)) != Facts(frozenset())]


def _facts(part: str) -> Facts:
    lines = part.split("\n")
    pointed = set()
    numbered = re.compile(r"\s*(\d+) │ ?(.*)")
    for line, following in itertools.pairwise(lines):
        match = numbered.fullmatch(line)
        if match and "┬" in following and not re.search(r"action\s*=", line):
            pointed |= {f":{match[1]}:", *re.findall(r"[\w.-]{3,}", match[2])}
    if "│" in part:
        told = " ".join(line.partition("─")[2] for line in lines if "╰" in line)
        said = told.replace("In this step", "")
        return Facts(frozenset(pointed), frozenset(re.findall(r"\w{4,}", said)))
    quoted = {one for one in re.findall(r"['\"]([^'\"\n]{2,60})['\"]", part) if one.strip()}
    named = re.findall(r"\b(?:[A-Z][a-z]+[A-Z]\w+|\w+_\w+)\b", part)
    files = re.findall(r"\S+\.(?:fq|fastq|fasta|bam)\b", part)
    return Facts(frozenset([*quoted, *named, *files]), frozenset(re.findall(r"[A-Za-z]{5,}", part)))


def _compared(name: str, folder: Path, place: Path, ran: Ran) -> Outcome:
    if ran.status != 0:
        last = " | ".join(ran.stderr.strip().split("\n")[-3:])
        if "mismatched read names" in ran.stderr and not _has(folder, "validatereadpairing"):
            return Outcome(name, "unsupported", f"{NAMES} ({last})")
        status = "unsupported" if "not supported yet" in ran.stderr else "failed"
        return Outcome(name, status, f"exit status {ran.status}: {last}")
    wrong = list(_differences(folder, place, ran))
    if not wrong:
        return Outcome(name, "passed")
    if _random(folder):
        return Outcome(name, "unsupported", f"{GENERATOR} ({wrong[0]})")
    if _has(folder, "hammingcorrect") and not _missing_files(wrong):
        return Outcome(name, "unsupported", f"{TIES} ({wrong[0]})")
    return Outcome(name, "failed", "; ".join(wrong[:3]))


def _missing_files(wrong: list[str]) -> bool:
    return any(one.startswith(("missing", "unexpected")) for one in wrong)


def _has(folder: Path, action: str) -> bool:
    return action in _actions(folder)


def _actions(folder: Path) -> set[str]:
    steps = _content(folder).get("step", [])
    return {str(step.get("action", "")).lower() for step in steps if isinstance(step, dict)}


def _random(folder: Path) -> bool:
    steps = [step for step in _content(folder).get("step", []) if isinstance(step, dict)]
    return bool(_actions(folder) & RANDOM) or any(
        step.get("false_positive_rate", 0) for step in steps
    )


def _differences(folder: Path, place: Path, ran: Ran) -> Iterator[str]:
    prefix = _prefix(folder)
    wanted, found = _files(folder, prefix), _files(place, prefix)
    yield from (f"missing {one}" for one in sorted(wanted - found))
    yield from (f"unexpected {one}" for one in sorted(found - wanted))
    for one in sorted(wanted & found):
        if difference := _difference(folder / one, place / one):
            yield f"{one}: {difference}"
    stdout = folder / "stdout"
    if stdout.exists() and inflated(stdout.read_bytes()) != inflated(ran.stdout):
        yield "standard output differs"


def _files(folder: Path, prefix: str) -> set[str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    names = {str(path.relative_to(folder)) for path in paths}
    return {one for one in names if one.startswith(prefix) and not one.startswith("input")}


def _difference(wanted: Path, found: Path) -> str:
    if wanted.name.endswith(BY_PRODUCTS):
        return ""
    one, other = inflated(wanted.read_bytes()), inflated(found.read_bytes())
    if wanted.suffix == ".json":
        return json_difference(json.loads(one), json.loads(other))
    if wanted.suffix == ".bam":
        one, other = b"\n".join(bam_records(one)), b"\n".join(bam_records(other))
    if one == other:
        return ""
    lines = zip(one.split(b"\n"), other.split(b"\n"), strict=False)
    pairs = (
        f"line {number}: {b.decode('latin-1')[:80]!r} instead of {a.decode('latin-1')[:80]!r}"
        for number, (a, b) in enumerate(lines, start=1)
        if a != b
    )
    return next(pairs, f"{len(other)} bytes instead of {len(one)}")


def inflated(content: bytes) -> bytes:
    """The content of a file, whatever it is compressed with."""
    if content[:2] == b"\x1f\x8b":
        return gzip.decompress(content)
    if content[:4] == b"\x28\xb5\x2f\xfd":
        return _zstd(content)
    return content


def _zstd(content: bytes) -> bytes:
    if sys.version_info >= (3, 14):
        from compression import zstd
    else:
        from backports import zstd
    return bytes(zstd.decompress(content))


def bam_records(content: bytes) -> Iterator[bytes]:
    """Name, flag, bases and qualities of each record of an inflated BAM file."""
    (header,) = struct.unpack_from("<i", content, 4)
    at = 8 + header
    (references,) = struct.unpack_from("<i", content, at)
    at += 4
    for _ in range(references):
        (length,) = struct.unpack_from("<i", content, at)
        at += 8 + length
    while at < len(content):
        (size,) = struct.unpack_from("<i", content, at)
        name_length, cigar, flag, bases = struct.unpack_from("<8xBxxxHHi", content, at + 4)
        begin = at + 36
        texts = begin + name_length + 4 * cigar
        end = texts + (bases + 1) // 2 + bases
        yield content[begin : begin + name_length] + b"%d" % flag + content[texts:end]
        at += 4 + size


def json_difference(wanted: Any, found: Any, place: str = "") -> str:
    """The first difference of what is wanted; what is there beyond it does not count."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        pairs = ((k, v) for k, v in wanted.items() if k not in SKIPPED_KEYS)
        told = (
            json_difference(v, found[k], f"{place}/{k}") if k in found else f"{place}/{k} missing"
            for k, v in pairs
        )
        return next(filter(None, told), "")
    if isinstance(wanted, list) and isinstance(found, list):
        if len(wanted) != len(found):
            return f"{place}: {len(found)} items instead of {len(wanted)}"
        both = enumerate(zip(wanted, found, strict=True))
        return next(
            filter(None, (json_difference(a, b, f"{place}[{i}]") for i, (a, b) in both)), ""
        )
    numbers = all(isinstance(one, int | float) for one in (wanted, found))
    if numbers and math.isclose(wanted, found, rel_tol=1e-9, abs_tol=1e-12):
        return ""
    return "" if wanted == found else f"{place}: {found!r} instead of {wanted!r}"


def main() -> int:
    """Run all cases and print how they went."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("cases", type=Path, help="folder of cases")
    parser.add_argument("-k", default="", help="only cases with this in their names")
    chosen = parser.parse_args()
    from tasks.reads import processing  # noqa: F401 -- loaded once, for all the cases
    from tasks.reads.kernels.jit import warmup

    warmup()

    counts: Counter[str] = Counter()
    for folder in cases(chosen.cases.resolve()):
        name = str(folder.relative_to(chosen.cases.resolve()))
        if chosen.k not in name:
            continue
        outcome = run_case(folder, name)
        counts[outcome.status] += 1
        if outcome.status != "passed":
            print(f"{outcome.status:<12} {name}: {outcome.reason}", flush=True)  # noqa: T201 -- a program
    total = counts.total()
    shares = ", ".join(f"{counts[one]} {one}" for one in ("passed", "failed", "unsupported"))
    print(f"{shares} of {total} cases ({counts['passed'] / max(total, 1):.1%} passed)")  # noqa: T201 -- a program
    return 0 if total and counts["passed"] >= WANTED * total else 1


if __name__ == "__main__":
    sys.exit(main())
