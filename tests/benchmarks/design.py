"""What a design run costs besides its models, beside a plain pandas script that does the same.

    python tests/benchmarks/design.py [--sequences 100000] [--repeat 3] [--json]

Random proteins of 200 residues, 5 % of them twice, go through two models, two filters and a
ranking: once through the pipeline on a Prefect server of its own, once through the script at the
end of this file, which keeps its values in SQLite as people do who do not want to compute twice.
The stages stand in a row, so that the seconds of the models can be taken off: they are timed alone,
on the same sequences in the same process. Each measurement is a process of its own; with `--repeat`
the least figure counts. All files lie in a temporary folder that is removed at the end.

Columns: `wall` and `cpu` (user + system) of the run without imports; `own`, the same without the
models; `us/seq`, own CPU microseconds per sequence; `prefect`, flow time outside of all stages.
The runs called slow have two more models, a profile HMM and ProtParam, and are compared among
themselves; with 100,000 sequences the first of them takes about a minute.
"""

import argparse
import functools
import json
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

Figures = dict[str, Any]

HOMOLOGS = Path(__file__).resolve().parents[2] / "deployments" / "example" / "globins.fasta"
LENGTH = 200
LETTERS = np.frombuffer(b"ACDEFGHIKLMNPQRSTVWY", np.uint8)
NEW_SHARE = 0.1
MODELS = ("substitution", "motifs")
MIN_SCORE = -6.7
CLEAN = "free_cysteine == 0 and n_glycosylation <= 2"
WEIGHTS = {"substitution_score": 1.0, "deamidation": -0.5}
CHUNK = 2_000
"""Sequences per call of a model, as in the pipeline."""
RUNS = (
    *("plain", "plain again", "first", "cached", "store warm", "10 % new"),
    *("slow model", "slow cached"),
)


def write_libraries(folder: Path, count: int, seed: int = 1) -> None:
    """`library.fasta`, and `changed.fasta`, in which a tenth of the distinct sequences is new."""
    rng = np.random.default_rng(seed)
    distinct = count - count // 20
    fresh = round(distinct * NEW_SHARE)
    letters = LETTERS[rng.integers(len(LETTERS), size=(distinct + fresh, LENGTH))]
    sequences = [row.tobytes().decode() for row in letters]
    order = np.r_[np.arange(distinct), rng.integers(distinct, size=count - distinct)]
    rng.shuffle(order[1:])  # the first one is the parent
    replaced = np.where(order >= distinct - fresh, order + fresh, order)
    for name, places in (("library", order), ("changed", replaced)):
        with (folder / f"{name}.fasta").open("w") as file:
            file.writelines(f">s{n} random\n{sequences[i]}\n" for n, i in enumerate(places))


def parameters(library: Path, parent: str, *, slow: bool = False) -> Figures:
    """Parameters of the pipeline; `slow` adds the models that real runs wait for."""

    def stage(name: str, uses: str, needs: str, **settings: object) -> Figures:
        return {"name": name, "uses": uses, "needs": [needs] if needs else [], "with": settings}

    objectives = [
        {"column": name, "weight": abs(weight), "goal": "maximise" if weight > 0 else "minimise"}
        for name, weight in WEIGHTS.items()
    ]
    threshold = {"kind": "threshold", "column": "substitution_per_position", "min": MIN_SCORE}
    return {
        "input": {"source": str(library)},
        "parent": {"sequence": parent},
        "stages": [
            {"name": "library", "uses": "input"},
            stage("fitness", "predict", "library", kind="substitution"),
            stage("liabilities", "predict", "fitness", kind="motifs"),
            *(
                [
                    stage("globins", "profile", "", homologs=str(HOMOLOGS)),
                    stage("family", "predict", "liabilities", kind="profile")
                    | {"needs": ["liabilities", "globins"]},
                    stage("chemistry", "predict", "family", kind="protparam"),
                ]
                if slow
                else []
            ),
            stage("fit", "filter", "chemistry" if slow else "liabilities", **threshold),
            stage("clean", "filter", "fit", kind="expression", expression=CLEAN),
            stage("best", "rank", "clean", objectives=objectives),
        ],
    }


def cpu_s() -> float:
    """CPU seconds of this process so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def timed(work: Callable[[], Figures]) -> Figures:
    """What `work` returns, and what it took."""
    wall, cpu, load = time.perf_counter(), cpu_s(), os.getloadavg()[0]
    figures = work()
    figures |= {"wall": time.perf_counter() - wall, "cpu": cpu_s() - cpu, "load": load}
    figures["peak_mib"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return figures


def models_alone(sequences: list[str], parent: str) -> Figures:
    """Nothing but the models on these sequences."""
    from pydantic import TypeAdapter

    from tasks.design import predictors

    adapter: TypeAdapter[Any] = TypeAdapter(predictors.PredictorParams)
    for kind in MODELS:
        for start in range(0, len(sequences), CHUNK):
            chunk = sequences[start : start + CHUNK]
            predictors.predict(adapter.validate_python({"kind": kind}), chunk, parent=parent)
    return {}


def first_sequence(library: Path) -> str:
    """The sequence of the first record."""
    with library.open() as file:
        return file.readlines(2 * LENGTH)[1].strip()


def measure_pipeline(library: Path, *, slow: bool) -> Figures:
    """One run of the flow."""
    imported = time.perf_counter()
    from flows.design import design
    from tasks.design import conclusion, stages
    from tasks.design.model import DesignParams

    imported = time.perf_counter() - imported
    spans = watch({**vars(stages), **vars(conclusion)})
    if "deliver" not in vars(conclusion):
        raise SystemExit("the flow's last stage is not where it was; its time would count as waste")
    params = DesignParams.model_validate(parameters(library, first_sequence(library), slow=slow))

    def run() -> Figures:
        begin = time.perf_counter()
        result = design(params)
        whole = time.perf_counter() - begin
        return {
            **result.model_dump(include={"items", "kept", "computed", "cached", "folder"}),
            "prefect": whole - sum(spans.values()),
            "stages": {name: round(seconds, 3) for name, seconds in spans.items()},
        }

    return {**timed(run), "imports": imported}


def watch(namespace: Mapping[str, Any]) -> dict[str, float]:
    """Seconds spent in each stage's own code, filled while a flow runs."""
    from prefect import Task

    spans: dict[str, float] = {}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> Any:
            begin = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                spans[name] = spans.get(name, 0.0) + time.perf_counter() - begin

        return run

    for name, task in namespace.items():
        if isinstance(task, Task):
            task.fn = watched(name, task.fn)
    return spans


def measure(run: str, folder: Path) -> Figures:
    """One measurement in this process, with the models alone after it."""
    library = folder.parent / ("changed.fasta" if run == "10 % new" else "library.fasta")
    if run.startswith("plain"):
        imported = time.perf_counter()
        import Bio.SeqIO.FastaIO  # noqa: F401
        import pydantic  # noqa: F401

        from tasks.design import predictors  # noqa: F401

        imported = time.perf_counter() - imported
        figures = {**timed(lambda: plain(library, folder / "plain")), "imports": imported}
    else:
        figures = measure_pipeline(library, slow=run.startswith("slow"))
        if run.startswith("slow"):
            return figures
    sequences = [line.strip() for line in library.open() if not line.startswith(">")]
    todo = list(dict.fromkeys(sequences))[: figures["computed"] // len(MODELS)]
    alone = timed(lambda: models_alone(todo, sequences[0]))
    return figures | {"model_wall": alone["wall"], "model_cpu": alone["cpu"]}


# ------------------------------------------------------------------------------ the plain script


def plain(library: Path, folder: Path) -> Figures:
    """The same with pandas alone: read, predict what SQLite does not have, filter, rank, write."""
    from Bio.SeqIO.FastaIO import SimpleFastaParser

    folder.mkdir(exist_ok=True)
    with library.open() as file:
        records = [(header.split()[0], text) for header, text in SimpleFastaParser(file)]  # type: ignore[no-untyped-call]
    table = pd.DataFrame(records, columns=["id", "sequence"]).drop_duplicates("sequence")
    items, parent, computed = len(records), records[0][1], 0
    with closing(sqlite3.connect(folder / "values.db")) as database:
        for kind in MODELS:
            computed += plain_predict(database, kind, table["sequence"], parent)
            values = pd.read_sql_query(f"SELECT * FROM {kind}", database)  # noqa: S608
            table = table.merge(values, on="sequence", how="left")
    kept = table[table["substitution_per_position"] >= MIN_SCORE]
    kept = kept[(kept["free_cysteine"] == 0) & (kept["n_glycosylation"] <= 2)]
    columns = kept[list(WEIGHTS)]
    scaled = (columns - columns.mean()) / columns.std(ddof=0)
    score = (scaled * pd.Series(WEIGHTS)).sum(axis=1) / sum(map(abs, WEIGHTS.values()))
    kept = kept.assign(score=score).sort_values("score", ascending=False)
    kept = kept.assign(rank=np.arange(1, len(kept) + 1))
    kept.to_csv(folder / "designs.csv", index=False)
    kept.to_parquet(folder / "designs.parquet", index=False)
    with (folder / "designs.fasta").open("w") as file:
        file.writelines(
            f">{name}\n{text}\n" for name, text in zip(kept["id"], kept["sequence"], strict=True)
        )
    return {"items": items, "kept": len(kept), "computed": computed, "folder": str(folder)}


def plain_predict(
    database: sqlite3.Connection, kind: str, sequences: "pd.Series[str]", parent: str
) -> int:
    """Compute what the model's table in SQLite does not hold; how many those were."""
    from pydantic import TypeAdapter

    from tasks.design import predictors

    params: Any = TypeAdapter(predictors.PredictorParams).validate_python({"kind": kind})
    try:
        known = pd.read_sql_query(f"SELECT sequence FROM {kind}", database)["sequence"]  # noqa: S608
        sequences = sequences[~sequences.isin(known)]
    except pd.errors.DatabaseError:
        pass  # the first run: there is no table
    for start in range(0, len(sequences), CHUNK):
        chunk = sequences.iloc[start : start + CHUNK].tolist()
        values = predictors.predict(params, chunk, parent=parent).drop(columns="error")
        values.insert(0, "sequence", chunk)
        values.to_sql(kind, database, if_exists="append", index=False)
    return len(sequences)


# ---------------------------------------------------------------------------------- the comparison


def compare(count: int, repeat: int) -> Iterator[Figures]:
    """The least figures of each run."""
    from deployments.local import server

    with tempfile.TemporaryDirectory(prefix="seqloom-benchmark-") as name:
        root = Path(name)
        write_libraries(root, count)
        for variable in [v for v in os.environ if v.startswith(("SEQLOOM_", "PREFECT_"))]:
            del os.environ[variable]
        found: dict[str, list[Figures]] = {run: [] for run in RUNS}
        with server(root / "server") as prefect:
            for attempt in range(repeat):
                folder = root / f"attempt{attempt}"
                folder.mkdir()
                for run in RUNS:
                    found[run].append(in_own_process(run, folder, prefect.environment))
                check_same_designs(found["plain"][-1], found["first"][-1], folder)
                shutil.rmtree(folder)
    for run, all_figures in found.items():
        best = min(all_figures, key=lambda figures: figures["cpu"])
        walls = [figures["wall"] for figures in all_figures]
        yield {"run": run, **best, "wall": min(walls), "walls": [round(w, 2) for w in walls]}


def in_own_process(run: str, folder: Path, environment: Mapping[str, str]) -> Figures:
    """Figures of one measurement."""
    stage_caches = folder / "stages"
    if run == "store warm":
        shutil.rmtree(stage_caches)
    own = {
        "SEQLOOM_STORAGE": str(folder / "storage"),
        "SEQLOOM_DATABASE": f"sqlite:///{folder / 'seqloom.db'}",
        "SEQLOOM_RESULTS": str(folder / "results"),
        "PREFECT_LOCAL_STORAGE_PATH": str(stage_caches),
        "PREFECT_LOGGING_LEVEL": "WARNING",
    }
    done = subprocess.run(
        [sys.executable, __file__, "--measure", run, "--folder", str(folder)],
        env={**environment, **own},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def check_same_designs(plain_run: Figures, pipeline_run: Figures, folder: Path) -> None:
    """Both sides keep the same sequences with the same values, or the comparison is void."""
    columns = ["sequence", "substitution_score", "deamidation", "low_complexity"]
    ours, theirs = (
        pd.read_parquet(path, columns=columns)
        .drop_duplicates("sequence")
        .sort_values("sequence", ignore_index=True)
        for path in (
            Path(pipeline_run["folder"]) / "tables" / "designs.parquet",
            folder / "plain" / "designs.parquet",
        )
    )
    pd.testing.assert_frame_equal(ours, theirs)
    assert plain_run["kept"] == len(ours) > 0


def shown(figures: list[Figures]) -> pd.DataFrame:
    """The table that is printed: a column per run."""
    by_run = {one["run"]: one for one in figures}
    plain_run = by_run["plain"]
    plain_own = plain_run["cpu"] - plain_run["model_cpu"]
    hidden = {"run", "items", "folder", "walls", "stages"}
    table: dict[str, dict[str, float]] = {}
    for run, one in by_run.items():
        reference = by_run["slow model" if run.startswith("slow") else "first"]
        row = {name: value for name, value in one.items() if name not in hidden}
        if "model_cpu" in one:
            own = one["cpu"] - one["model_cpu"]
            row |= {"own wall": one["wall"] - one["model_wall"], "own cpu": own}
            row |= {"us/seq": own / one["items"] * 1e6, "own x plain": own / plain_own}
            row |= {"wall x plain": one["wall"] / plain_run["wall"]}
        row["faster than first"] = reference["wall"] / one["wall"]
        if "prefect" in one:
            row["prefect %"] = 100 * one["prefect"] / one["wall"]
        table[run] = row
    return pd.DataFrame(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--json", action="store_true", help="print JSON for programs")
    parser.add_argument("--measure", choices=RUNS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure, given.folder)))
        return
    figures = list(compare(given.sequences, given.repeat))
    if given.json:
        print(json.dumps(figures, indent=2))
    else:
        print(shown(figures).to_string(float_format="{:.2f}".format))
        print(pd.DataFrame({f["run"]: f.get("stages", {}) for f in figures}).to_string())


if __name__ == "__main__":
    main()
