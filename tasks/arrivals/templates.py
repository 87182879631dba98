"""Parameters with places that stand for the files of a run.

    {file}    the file: an absolute path, or s3://…            one file per run
    {name}    its name without folders                         one file per run
    {stem}    the same without its endings                     one file per run
    {files}   all files of the run, as a list; stands alone
    {sheet}   a CSV of them: sample (the stem), and the file

Only these words in braces stand for something; any other text stays as it is. Names of files are
put in once and never looked at again, so a file called `{sheet}` is just that.
"""

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

PLACES = ("file", "name", "stem", "files", "sheet")
OF_ONE = ("file", "name", "stem")
_PLACE = re.compile(r"\{(" + "|".join(PLACES) + r")\}")


def places_in(template: JsonValue) -> set[str]:
    """The places that a template has."""
    return {place for text in _texts(template) for place in _PLACE.findall(text)}


def check_template(template: Mapping[str, JsonValue], *, together: bool) -> None:
    """Whether it names the files of a run, in a way that fits how many there are.

    Raises:
        ValueError: It does not; the text says what was expected.
    """
    found = places_in(dict(template))
    many = {f"{{{one}}}" for one in (("files", "sheet") if together else PLACES)}
    if not found:
        raise ValueError(
            f"params: name no file; expected one of {', '.join(sorted(many))} in a text"
        )
    for place in OF_ONE:
        if together and place in found:
            raise ValueError(
                f"params: {{{place}}} with files together; expected {{files}} or {{sheet}}"
            )
    for text in _texts(dict(template)):
        if "{files}" in text and text != "{files}":
            raise ValueError(f"params: {text!r}; expected {{files}} alone, which is a list")


def filled(
    template: Mapping[str, JsonValue], files: Sequence[str], sheet: str = ""
) -> dict[str, JsonValue]:
    """The parameters of the run of these files.

    >>> filled({"input": {"source": "{file}"}, "batch": "day-{stem}"}, ["/in/a.fa.gz"])
    {'input': {'source': '/in/a.fa.gz'}, 'batch': 'day-a'}
    """
    words = {"sheet": sheet, "file": files[0], "name": name_of(files[0]), "stem": stem_of(files[0])}

    def put_in(value: JsonValue) -> JsonValue:
        if value == "{files}":
            return list(files)
        if isinstance(value, str):
            return _PLACE.sub(lambda found: words[found[1]], value)
        if isinstance(value, dict):
            return {key: put_in(one) for key, one in value.items()}
        return [put_in(one) for one in value] if isinstance(value, list) else value

    return {key: put_in(value) for key, value in template.items()}


def sheet_text(files: Sequence[str], column: str) -> str:
    r"""A CSV with a row per file, samples named by the files' stems.

    >>> sheet_text(["/in/a.fa", "/in/b.fa"], "fasta")
    'sample,fasta\na,/in/a.fa\nb,/in/b.fa\n'
    """
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["sample", column])
    rows.writerows([stem_of(file), file] for file in files)
    return text.getvalue()


def name_of(file: str) -> str:
    """The last part of a path or URI."""
    return file.rstrip("/").rsplit("/", 1)[-1]


def stem_of(file: str) -> str:
    """The name without its endings.

    >>> stem_of("s3://in/run7/liver_1.fastq.gz"), stem_of("/in/README")
    ('liver_1', 'README')
    """
    name = name_of(file)
    return name.split(".", 1)[0] or name


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 -- JSON of any shape
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _texts(one)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _texts(one)
