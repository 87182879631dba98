import io
import json

import pandas as pd
import pytest

from blocks.errors import InputError
from tasks.results import append_csv, run_folder


def test_header_of_a_csv_is_quoted_like_its_cells():
    file = io.BytesIO()

    append_csv(file, pd.DataFrame({"a,b": ["x"], 'c"d': ["y,z"], "n": [1.0]}))

    assert pd.read_csv(io.BytesIO(file.getvalue())).to_dict("list") == {
        "a,b": ["x"],
        'c"d': ["y,z"],
        "n": [1],
    }


def test_vectors_are_left_out_of_a_csv():
    file = io.BytesIO()

    append_csv(file, pd.DataFrame({"id": ["a"], "vector": [[1.0, 2.0]]}))

    assert file.getvalue() == b'id\n"a"\n'


def test_a_folder_appears_whole_and_latest_points_to_it(tmp_path):
    with run_folder(str(tmp_path), "design", "one") as (folder, uri):
        folder.json("RUN.json", {"kept": 1})
        assert not (tmp_path / "design" / "one").exists()

    assert json.loads((tmp_path / "design" / "latest" / "RUN.json").read_text()) == {"kept": 1}
    assert uri == f"{tmp_path}/design/one"


def test_a_run_is_never_overwritten(tmp_path):
    with run_folder(str(tmp_path), "design", "one") as (folder, _):
        folder.json("RUN.json", {})

    with (
        pytest.raises(InputError, match="is there already"),
        run_folder(str(tmp_path), "design", "one"),
    ):
        pass


def test_a_run_that_fails_leaves_no_folder(tmp_path):
    def broken() -> None:
        with run_folder(str(tmp_path), "design", "one") as (folder, _):
            folder.text("half", "x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        broken()
    assert list((tmp_path / "design").iterdir()) == []
