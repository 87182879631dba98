"""The deployment that watches a folder, on a real server and a worker whose place is its own."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from deployments.local import LocalPrefect, deploy, worker
from tests.domains.small_reference import quickly_built, sequences
from tests.flows.conftest import answer_of, ended

pytestmark = [pytest.mark.engine, pytest.mark.tool]
PROTEINS = sequences()


@pytest.fixture
def deployed(prefect_server: LocalPrefect, tmp_path: Path) -> Iterator[LocalPrefect]:
    """The inbox, a worker with data and results in `tmp_path`, the reference `example`."""
    own = {
        "SEQLOOM_DATA": str(tmp_path),
        "SEQLOOM_STORAGE": str(tmp_path / "storage"),
        "SEQLOOM_RESULTS": str(tmp_path / "results"),
        "SEQLOOM_DATABASE": f"sqlite:///{tmp_path}/seqloom.db",
    }
    prefect = replace(prefect_server, environment={**prefect_server.environment, **own})
    (tmp_path / "results" / "references").mkdir(parents=True)
    example = tmp_path / "results" / "references" / "example"
    example.symlink_to(quickly_built(tmp_path / "built"))
    with worker(prefect):
        deploy(prefect, "domains/inbox")
        yield prefect


def put(folder: Path, name: str, *proteins: str) -> None:
    """A FASTA file in the inbox."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("".join(f">{one}\n{PROTEINS[one]}\n" for one in proteins))


def run_of(prefect: LocalPrefect) -> str:
    """Id of a run with the deployment's own parameters, but of files that have just been put."""
    deployment = answer_of("GET", f"{prefect.api}/deployments/name/domains/inbox")
    parameters = deployment["parameters"]
    assert parameters["params"]["input"] == {"sequences": "inbox", "settle_s": 60}
    parameters["params"]["input"]["settle_s"] = 0
    content = {"parameters": parameters, "state": {"type": "SCHEDULED"}}
    place = f"{prefect.api}/deployments/{deployment['id']}/create_flow_run"
    return str(answer_of("POST", place, content)["id"])


def delivered(results: Path) -> dict[str, list[str]]:
    """Folder of each run -> the proteins in it."""
    tables = [path for path in results.glob("*/proteins.tsv") if not path.parent.is_symlink()]
    return {
        path.parent.name: pd.read_csv(path, sep="\t")["protein"].tolist() for path in sorted(tables)
    }


def test_the_files_of_a_folder_are_annotated_once_and_an_added_one_by_the_next_run(
    deployed: LocalPrefect, tmp_path: Path
) -> None:
    results = tmp_path / "results" / "domains"
    put(tmp_path / "inbox", "monday.fasta", "pair")
    put(tmp_path / "inbox", "tuesday.fasta", "inserted", "recombined")
    assert ended(deployed, run_of(deployed)) == "COMPLETED"
    first = delivered(results)
    put(tmp_path / "inbox", "wednesday.fasta", "half_remote")

    assert ended(deployed, run_of(deployed)) == "COMPLETED"

    both = delivered(results)
    assert list(first.values()) == [["pair", "inserted", "recombined"]]
    assert [both[name] for name in both if name not in first] == [["half_remote"]]
    assert both.items() >= first.items()
    domains = pd.read_csv(results / "latest" / "domains.tsv", sep="\t")
    assert "z.2.1.1" in domains["classification"].tolist()
