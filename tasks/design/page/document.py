"""The page of one design run: what went in, what came out, why, and where it lies."""

import re
from urllib.parse import quote

import numpy as np
import pandas as pd
from markupsafe import Markup

from tasks.design.page.content import DesignPage
from tasks.design.page.designs import top_designs
from tasks.design.page.plots import distributions, mutations_by_position, pareto, sequence_logo
from tasks.report.funnel import FunnelRow, funnel_chart
from tasks.report.number_text import counted, duration, plain_number
from tasks.report.page import Section, choice, key_numbers, page
from tasks.report.tables import data_table


def design_page(data: DesignPage) -> str:
    """The HTML document of one design run; parts without content are left out."""
    builders = (
        _summary,
        _funnel,
        _plan,
        distributions,
        pareto,
        sequence_logo,
        mutations_by_position,
        _diversity,
        _near_misses,
        _what_if,
        top_designs,
        _methods,
        _warnings,
        _files,
    )
    sections = [section for build in builders if (section := build(data)) is not None]
    subtitle = f"Started {data.started} · took {duration(data.seconds)}"
    return page(f"Design run {data.run_name}", subtitle, sections)


def _summary(data: DesignPage) -> Section:
    """One sentence with the outcome, then the figures behind it."""
    outcome = data.table["outcome"].value_counts()
    kept, dropped, failed = (int(outcome.get(k, 0)) for k in ("kept", "dropped", "failed"))
    origin = f" from {data.parent_id} ({len(data.parent):,} residues)" if data.parent else ""
    lead = Markup(
        '<p class="lead">{} of {}{} were kept in {}; {:,} were dropped and {:,} failed.{}{}</p>'
    ).format(
        f"{kept:,}",
        counted(len(data.table), "design"),
        origin,
        duration(data.seconds),
        dropped,
        failed,
        _best(data),
        Markup(' <a href="#warnings">{}</a>.').format(counted(len(data.warnings), "warning"))
        if data.warnings
        else "",
    )
    total = max(len(data.table), 1)
    numbers: dict[str, float | str] = {
        "designs made": len(data.table),
        "kept": kept,
        "share kept": f"{100 * kept / total:.3g} %",
        "failed": failed,
        "run time": duration(data.seconds),
    }
    if data.parent:
        numbers["parent length [aa]"] = len(data.parent)
    numbers |= _changed_positions(data)
    for column, direction in data.objectives[:2]:
        if column in data.top and len(data.top) and direction != "target":
            values = data.top[column].to_numpy(np.float64, na_value=np.nan)
            pick = np.fmax.reduce if direction == "maximise" else np.fmin.reduce
            numbers[f"best {column}"] = float(pick(values))
    return Section("Summary", "summary", lead + key_numbers(numbers))


def _best(data: DesignPage) -> str:
    if not len(data.top):
        return ""
    first = data.top.iloc[0]
    scores = [
        f"{column} {plain_number(float(first[column]))}"
        for column, _ in data.objectives
        if column in data.top and not pd.isna(first[column])
    ]
    return f" Ranked first: {first['id']}{' with ' if scores else ''}{', '.join(scores)}."


def _changed_positions(data: DesignPage) -> dict[str, float | str]:
    counts = data.position_counts
    if counts is None or len(counts) != len(data.parent):
        return {}
    same = data.parent_cells
    others = counts.sum(axis=1)
    others[[i for _, i in same]] -= counts[[i for _, i in same], [k for k, _ in same]]
    return {"positions changed": f"{np.count_nonzero(others):,} of {len(counts):,}"}


def _funnel(data: DesignPage) -> Section | None:
    columns = [data.funnel[name].tolist() for name in FunnelRow._fields]
    rows = [
        FunnelRow(str(stage), int(into), int(dropped), int(failed), int(out))
        for stage, into, dropped, failed, out in zip(*columns, strict=True)
    ]
    body = funnel_chart(rows)
    return Section("Items per stage", "funnel", body) if rows else None


def _plan(data: DesignPage) -> Section | None:
    if not len(data.stages):
        return None
    frame = data.stages.rename(columns={"seconds": "time [s]"})
    body = data_table(frame, label="stages of the run", bars=("time [s]",))
    note = "Cached items were taken from an earlier run. Stages without a common need run at once."
    return Section("Execution plan and times", "plan", body, note)


def _diversity(data: DesignPage) -> Section | None:
    if not data.diversity:
        return None
    return Section("Diversity", "diversity", key_numbers(data.diversity))


def _near_misses(data: DesignPage) -> Section | None:
    if not len(data.near_misses):
        return None
    body = data_table(data.near_misses, label="near misses", where=data.table_file)
    return Section("Near misses", "near-misses", body, "Dropped designs that came closest.")


def _what_if(data: DesignPage) -> Section | None:
    panels = {
        rule: data_table(frame, label=f"what if: {rule}", bars=("kept_then",))
        for rule, frame in data.what_if.items()
        if len(frame)
    }
    note = (
        "How many designs would pass if one threshold were another and all else the same. Stages "
        "behind it that look at the whole table (ranking with a limit, top, diversity) are not "
        "repeated: where they follow, gains are upper bounds."
    )
    body = choice("Rule", panels)
    return Section("What if", "what-if", body, note) if panels else None


def _methods(data: DesignPage) -> Section | None:
    body = Markup()
    if len(data.methods):
        body += data_table(data.methods, label="methods")
    if data.versions:
        frame = pd.DataFrame(list(data.versions.items()), columns=["program", "version"])
        body += Markup("<h3>Versions</h3>{}").format(data_table(frame, label="versions"))
    return Section("Methods and versions", "methods", body) if body else None


def _warnings(data: DesignPage) -> Section | None:
    if not data.warnings:
        return None
    items = Markup().join(Markup("<li>{}</li>").format(text) for text in data.warnings)
    return Section("Warnings", "warnings", Markup('<ul class="warnings">{}</ul>').format(items))


def _files(data: DesignPage) -> Section | None:
    """Links to what lies beside the page; other addresses are text, whatever they say."""
    if not data.files:
        return None
    rows = []
    for path, what in data.files:
        name = Markup("<code>{}</code>").format(path)
        if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:|/|\\", path):
            name = Markup('<a href="./{}">{}</a>').format(quote(path), name)
        rows.append(Markup("<tr><td>{}</td><td>{}</td></tr>").format(name, what))
    body = Markup(
        '<div class="scroll" tabindex="0" role="region" aria-label="files"><table><thead><tr>'
        '<th scope="col">file</th><th scope="col">content</th></tr></thead>'
        "<tbody>{}</tbody></table></div>"
    ).format(Markup().join(rows))
    return Section("Files", "files", body)
