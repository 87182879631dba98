"""Events and starts by hand, where no server could take them."""

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from deployments import cli

WRONG = 2


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["emit", "prefect.flow-run.Completed"], "event 'prefect.flow-run.Completed': expected"),
        (["emit", "a", "--resource", "prefect.flow-run.1"], "resource 'prefect.flow-run.1'"),
        (["emit", "a"], "no Prefect server: expected PREFECT_API_URL"),
        (["arrivals", "retry", "nobody"], "watch 'nobody': not known; expected one that has"),
    ],
    ids=["Prefect's own event", "Prefect's own resource", "no server", "no watch"],
)
def test_what_cannot_be_done_is_told(command, told, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")

    with temporary_settings(restore_defaults={PREFECT_API_URL}):  # of other tests' server
        assert cli.main(command) == WRONG
    assert capsys.readouterr().err.startswith(told)


def test_arrivals_are_listed_where_there_are_none(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEQLOOM_DATABASE", f"sqlite:///{tmp_path}/seqloom.db")

    assert [cli.main(["arrivals"]), cli.main(["arrivals", "watches"])] == [0, 0]
    assert capsys.readouterr().out == "no files yet\nno watch yet\n"
