"""The steps of a configuration, read one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.reads.aliases import action_called, plain
from tasks.reads.catalogue import NOT_SUPPORTED, STEPS
from tasks.reads.labels import label_fault
from tasks.reads.sections import Findings, Section, fields_of, hint, shown
from tasks.reads.step import StepParams, Surroundings
from tasks.reads.tag_flow import TagFlow
from tasks.reads.toml_places import Key

LABELS = ("outlabel", "inlabel", "inlabels", "iftag", "iflabel", "commenttags", "taghistograms")
"""Fields that name tags, plainly written."""


@dataclass(frozen=True, slots=True)
class Steps:
    """Checked steps, with what each finds when its turn comes."""

    params: tuple[StepParams, ...]
    around: tuple[Surroundings, ...]
    keys: tuple[Key, ...]
    labels: tuple[str, ...]
    """As in messages and reports: `step 2 (CutStart)`."""
    streams: Mapping[int, str]
    tried: frozenset[str]
    """Actions of all steps that stand there, also of those with mistakes."""

    def of(self, action: str) -> list[Key]:
        """Places of the steps of one action."""
        pairs = zip(self.params, self.keys, strict=True)
        return [key for params, key in pairs if params.action == action]

    def files(self) -> Iterator[tuple[Key, Path]]:
        """Files that steps write, with the steps' places."""
        for params, around, key in zip(self.params, self.around, self.keys, strict=True):
            for path in params.files(around):
                yield key, path

    def write_files(self) -> bool:
        """Whether any step writes a file of its own that somebody may want."""
        wanted = ("StoreTagInFastQ", "StoreTagsInTable", "Inspect", "QuantifyTag")
        return any(params.action in wanted for params in self.params)


def read_steps(
    name: str,
    listed: Sequence[object],
    around: Surroundings,
    findings: Findings,
    *,
    check_names: bool,
) -> Steps:
    """All steps; those that are wrong are noted and left out."""
    flow = TagFlow(around)
    params: list[StepParams] = []
    rounds: list[Surroundings] = []
    keys: list[Key] = []
    labels: list[str] = []
    pairs = [_read((name, number), given, around, findings) for number, given in enumerate(listed)]
    actions = {one.action for one, _ in pairs if one is not None}
    if check_names and not actions & {"ValidateReadPairing", "ValidateName"}:
        params, rounds, keys = [_name_check()], [flow.here()], [(name,)]
        labels = [f"names of mates ({params[0].action})"]
    for one, section in pairs:
        if one is None:
            flow.failed(section)
            continue
        params.append(one)
        rounds.append(flow.here())
        keys.append(section.key)
        labels.append(section.label)
        flow.passed(one, section)
    flow.finish()
    _check_report_names(pairs)
    tried = frozenset(section.label.partition("(")[2].rstrip(")") for _, section in pairs)
    return Steps(
        tuple(params), tuple(rounds), tuple(keys), tuple(labels), flow.around.streams, tried
    )


def _name_check() -> StepParams:
    return STEPS["ValidateReadPairing"].model_validate({})


def _read(
    key: Key, given: object, around: Surroundings, findings: Findings
) -> tuple[StepParams | None, Section]:
    """A step by itself; None where it is wrong, which is noted."""
    label = f"step {int(key[-1]) + 1}"
    if not isinstance(given, dict):
        section = Section({}, key, label, findings)
        section.add("", f"wrong type: {shown(given)}", "a table", at=())
        return None, section
    names = {plain(name): name for name in given}
    action = given.get(names.get("action", ""))
    rest = {name: value for name, value in given.items() if plain(name) != "action"}
    section = Section(rest, key, f"{label} ({action})" if action else label, findings)
    model = _model(action, section, names.get("action", "action"))
    before = len(findings.problems)
    _check_labels(section)
    if model is None:
        return None, section
    section = replace(section, label=f"{label} ({model.model_fields['action'].default})")
    params = _filled(section, model, around).read(model)
    return (params if len(findings.problems) == before else None), section


def _model(action: object, section: Section, name: str) -> type[StepParams] | None:
    """The class of a step."""
    if action is None:
        section.add("", "missing required key 'action'", "the name of a step", at=())
        return None
    found = action_called(action, list(STEPS)) if isinstance(action, str) else None
    if found is not None:
        return STEPS[found]
    known = action_called(str(action), NOT_SUPPORTED)
    if known is not None:
        section.add(name, f"{known} is not supported yet", NOT_SUPPORTED[known])
    else:
        what = f"unknown action {shown(action)}"
        section.add(name, what, f"a step of `seqloom reads list-steps`{hint(str(action), STEPS)}")
    return None


def _filled(section: Section, model: type[StepParams], around: Surroundings) -> Section:
    """The step with the only segment there is, where it names none."""
    fields = fields_of(model)
    names = {plain(name) for name in section.given}
    lone = len(around.segments) == 1 and "segment" in fields
    if not lone or names & {"segment", "source", "target"}:
        return section
    return replace(section, given={**section.given, "segment": around.segments[0]})


def _check_labels(section: Section) -> None:
    """Note labels that no tag may have."""
    for name, value in section.given.items():
        if plain(name) not in LABELS:
            continue
        for label in value if isinstance(value, list) else [value]:
            fault = label_fault(label.removeprefix("!")) if isinstance(label, str) else None
            if fault is not None:
                section.add(name, f"invalid label {label!r}: {fault[0]}", fault[1])


def _check_report_names(pairs: Sequence[tuple[StepParams | None, Section]]) -> None:
    seen: dict[str, str] = {}
    for params, section in pairs:
        name = getattr(params, "name", None)
        reports = params is not None and params.action in {"Report", "Statistics"}
        if not reports or not isinstance(name, str):
            continue
        if name in seen:
            what = f"report name {name!r} is not unique: {seen[name]} has it already"
            section.add("name", what, "another name")
        seen.setdefault(name, section.label)
