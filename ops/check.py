"""``landdb check``: what is wrong with files, told without a database, so that a branch can mend them before it uploads.

The very rules of an import judge them. What only the register knows is said to be untested: the commune's boundary, and parcels
in force that the file would lie over.
"""

from __future__ import annotations

import csv
import datetime as dt
import html
import json
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import shapely
import typer

from etl.issues import Issue, IssueLog, Severity, severity_of
from etl.pipeline import Asked, FileRows, Known, context, describe, main_files, note_file, working_srid
from etl.stage import PERSONAL
from etl.validate import Validator
from etl.writers import FORMATS, LayerRows, write
from landdb.config import settings
from landdb.intake.model import Progress, silent
from landdb.messages import Language, message
from landdb.reference import bundled
from landdb.reference.model import LandUseStatus
from ops.output import EXIT_VIOLATED, Json, emit, language, progress

EXAMPLES = 3
"""Rows that are shown for each code on the terminal."""
REPORT_EXAMPLES = 200
"""Rows that are shown for each code on the printed page; all of them stand in the tables beside it."""
_ISSUES_AT_ONCE = 20_000
_RANK = {Severity.BLOCKING: 0, Severity.WARNING: 1, Severity.INFO: 2}
_ISSUES = pa.schema(
    [
        ("code", pa.string()), ("severity", pa.string()), ("title", pa.string()), ("detail", pa.string()),
        ("action", pa.string()), ("file", pa.string()), ("layer", pa.string()), ("row", pa.int64()),
        ("field", pa.string()), ("raw_value", pa.string()), ("params", pa.string()), ("geometry", pa.binary()),
    ]
)  # fmt: skip


@dataclass
class Checked:
    """What was found in the files. quarantined: rows that an import would set aside. srid: zone of the places of issues."""

    files: list[str]
    recognised: list[dict[str, Any]]
    srid: int
    read: int
    quarantined: int
    log: IssueLog
    seconds: float = 0.0
    commune: str | None = None
    codes: dict[str, Severity] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether an import would take every row."""
        return self.quarantined == 0


def check(
    paths: Sequence[Path],
    *,
    profile: str | None = None,
    srid: int | None = None,
    commune: str | None = None,
    layer: str | None = None,
    sheet: str | None = None,
    tell: Progress = silent,
) -> Checked:
    """Judge files by the rules of an import. ``commune``: code that rows may carry; null: any.

    Raises: whatever an import of the files would be refused for (unreadable, several layers, zone unknown …).
    """
    started = time.monotonic()
    asked = Asked(profile=profile, srid=srid, layer=layer, sheet_no=sheet)
    opened = [FileRows(path, path.name, asked, None) for path in main_files(paths)]
    zone = working_srid(opened[0].recognition.zone.srid, settings().storage_srid)
    with tempfile.TemporaryDirectory(prefix="landdb-check-") as folder:
        validator = Validator(context(_known(commune), zone), spill_dir=folder)
        read = _judge(opened, zone, validator, tell)
        for rows in opened:
            note_file(validator.log, rows)
        tell("coverage", read, read)
        outcome = validator.finish()
    found = Checked(
        [rows.name for rows in opened],
        [describe(rows) for rows in opened],
        zone,
        read,
        len(outcome.quarantined),
        outcome.log,
        commune=commune,
    )
    found.codes = {code: _severity(code) for code in found.log.counts}
    found.seconds = round(time.monotonic() - started, 2)
    return found


def _severity(code: str) -> Severity:
    """How grave a fault is here. What concerns a file as a whole and did not refuse it is a thing to look at."""
    return Severity.WARNING if code.startswith("file.") else severity_of(code)


def _judge(opened: Sequence[FileRows], zone: int, validator: Validator, tell: Progress) -> int:
    done, total = 0, sum(rows.total or 0 for rows in opened) or None
    for rows in opened:
        for batch in rows.batches(zone):
            validator.check(batch)
            done += batch.rows
            tell("read", done, total)
    return done


def _known(commune: str | None) -> Known:
    """What the program itself knows: code tables, and the units that a commune was made of or became."""
    codes = {code: use for code, use in bundled.land_use_codes().items() if use.status is not LandUseStatus.PLANNING}
    return Known(
        _related(commune) if commune else frozenset(),
        None,
        {code: (use.status.value, use.present_code) for code, use in codes.items()},
        {code: use.code_list for code, use in codes.items()},
    )


def _related(code: str) -> frozenset[str]:
    """Codes that rows of a commune may carry: its own, and those of the communes merged into it or made of it."""
    code = code.split("@", maxsplit=1)[0].strip().zfill(5)
    codes = {row["admin_unit_id"]: row["code"] for row in _reference("admin_unit")}
    own = {unit for unit, its in codes.items() if its == code}
    linked = {
        other
        for row in _reference("admin_unit_succession")
        for one, other in ((row["old_unit_id"], row["new_unit_id"]), (row["new_unit_id"], row["old_unit_id"]))
        if one in own
    }
    return frozenset({code, *(codes[unit] for unit in linked if unit in codes)})


def _reference(name: str) -> list[dict[str, str]]:
    text = resources.files("landdb.reference").joinpath("data", f"{name}.csv").read_text("utf-8")
    return list(csv.DictReader(text.splitlines()))


# ── how it is told ──────────────────────────────────────────────────────────────────────────────────────────────────


def as_data(found: Checked, spoken: Language) -> dict[str, Any]:
    """What was found, as plain data for ``--json``."""
    return {
        "passed": found.passed,
        "files": found.files,
        "recognised": found.recognised,
        "srid": found.srid,
        "read": found.read,
        "quarantined": found.quarantined,
        "issues": dict(found.log.counts),
        "severities": {code: severity.value for code, severity in found.codes.items()},
        "examples": {
            code: [_plain(issue, spoken) for issue in issues] for code, issues in _examples(found, EXAMPLES).items()
        },
        "seconds": found.seconds,
    }


def as_lines(found: Checked, spoken: Language) -> Iterator[str]:
    """What was found, for people: the file as it was understood, then each fault with some of its rows."""
    for name, recognised in zip(found.files, found.recognised, strict=True):
        yield _line("check.recognised", spoken, **_understood(name, recognised))
    examples = _examples(found, EXAMPLES)
    for code in _order(found):
        count = found.log.counts[code]
        yield f"{_sign(found.codes[code])} {message(code, {}, spoken).title} [{code}]: {count:,}"
        for issue in examples[code]:
            yield f"    {_place(issue)}{message(code, issue.facts, spoken).detail}"
        if count > len(examples[code]):
            yield f"    … + {count - len(examples[code]):,}"
    facts = {"read": f"{found.read:,}", "quarantined": f"{found.quarantined:,}", "seconds": found.seconds}
    yield _line("check.passed" if found.passed else "check.failed", spoken, **facts)
    yield _line("check.untested", spoken)


def _understood(name: str, recognised: Mapping[str, Any]) -> dict[str, Any]:
    zone, profile = recognised["zone"], recognised["profile"]
    return {
        "file": name,
        "format": recognised["driver"],
        "layer": recognised["layer"],
        "profile": profile["name"],
        "zone": f"EPSG:{zone['srid']} {zone['name']}",
        "encoding": ", ".join(sorted({one["encoding"] for one in recognised["encoding"].values()})) or "UTF-8",
    }


def _line(code: str, spoken: Language, **facts: Any) -> str:
    return message(code, facts, spoken).title


def _order(found: Checked) -> list[str]:
    return sorted(found.codes, key=lambda code: (_RANK[found.codes[code]], -found.log.counts[code], code))


def _sign(severity: Severity) -> str:
    return {Severity.BLOCKING: "✗", Severity.WARNING: "!", Severity.INFO: "•"}[severity]


def _place(issue: Issue) -> str:
    return f"{issue.file}#{issue.row_no}: " if issue.row_no is not None else f"{issue.file}: "


def _examples(found: Checked, limit: int) -> dict[str, list[Issue]]:
    out: dict[str, list[Issue]] = defaultdict(list)
    for issue in found.log:
        if len(out[issue.code]) < limit:
            out[issue.code].append(issue)
    return out


def _plain(issue: Issue, spoken: Language) -> dict[str, Any]:
    text = message(issue.code, issue.facts, spoken)
    return {
        "code": issue.code,
        "severity": _severity(issue.code).value,
        "title": text.title,
        "detail": text.detail,
        "action": text.action,
        "file": issue.file,
        "layer": issue.layer,
        "row": issue.row_no,
        "field": issue.field,
        # A report travels by mail: the text of a personal field stays in the client's own file.
        "raw_value": None if issue.field in PERSONAL else issue.raw_value,
        "params": issue.params,
    }


# ── the report folder ───────────────────────────────────────────────────────────────────────────────────────────────


def write_report(found: Checked, folder: Path, spoken: Language, *, today: dt.date) -> None:
    """``issues.gpkg`` to lay over the map, ``issues.csv`` for a list, ``report.html`` to print. Older ones are replaced."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".landdb-report-") as draft:
        made = Path(draft)
        layer = LayerRows("issues", _ISSUES, _issue_batches(found, spoken), found.srid)
        write(FORMATS["gpkg"], made / "issues.gpkg", [layer])
        bare = _ISSUES.remove(_ISSUES.get_field_index("geometry"))
        table = LayerRows("issues", bare, (batch.select(bare.names) for batch in _issue_batches(found, spoken)))
        write(FORMATS["csv"], made / "issues.csv", [table])
        (made / "report.html").write_text(_page(found, spoken, today), "utf-8")
        for name in ("issues.gpkg", "issues.csv", "report.html"):
            (made / name).replace(folder / name)


def _issue_batches(found: Checked, spoken: Language) -> Iterator[pa.RecordBatch]:
    rows: list[dict[str, Any]] = []
    for issue in found.log:
        rows.append(_row(issue, spoken))
        if len(rows) == _ISSUES_AT_ONCE:
            yield pa.RecordBatch.from_pylist(rows, _ISSUES)
            rows = []
    if rows:
        yield pa.RecordBatch.from_pylist(rows, _ISSUES)


def _row(issue: Issue, spoken: Language) -> dict[str, Any]:
    row = _plain(issue, spoken)
    row["params"] = json.dumps(row["params"], ensure_ascii=False)
    drawn = issue.place is not None and bool(np.isfinite(shapely.bounds(issue.place)).all())
    row["geometry"] = shapely.to_wkb(issue.place) if drawn else None
    return row


_STYLE = """
:root { color-scheme: light; }
body { font: 15px/1.5 system-ui, "Segoe UI", sans-serif; color: #1b1f24; margin: 2rem auto; max-width: 62rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2rem 0 .25rem; }
p { margin: .25rem 0; } .quiet { color: #57606a; } .outcome { font-size: 1.1rem; font-weight: 600; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; margin: .5rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .5rem; border-bottom: 1px solid #d0d7de; overflow-wrap: anywhere; }
th { font-weight: 600; } td.number, th.number { text-align: right; white-space: nowrap; }
.blocking { border-left: 4px solid #b42318; padding-left: .6rem; }
.warning { border-left: 4px solid #b7791f; padding-left: .6rem; }
.info { border-left: 4px solid #8c959f; padding-left: .6rem; }
@media print { body { margin: 0; max-width: none; font-size: 11px; } h2 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def _page(found: Checked, spoken: Language, today: dt.date) -> str:
    examples = _examples(found, REPORT_EXAMPLES)
    title = _line("check.report", spoken)
    facts = {"read": f"{found.read:,}", "quarantined": f"{found.quarantined:,}", "seconds": found.seconds}
    body = [f"<h1>{_e(title)}</h1>", f'<p class="quiet">{today.isoformat()}</p>']
    for name, recognised in zip(found.files, found.recognised, strict=True):
        body.append(f"<p>{_e(_line('check.recognised', spoken, **_understood(name, recognised)))}</p>")
    outcome = _line("check.passed" if found.passed else "check.failed", spoken, **facts)
    body.append(f'<p class="outcome">{_e(outcome)}</p><p class="quiet">{_e(_line("check.untested", spoken))}</p>')
    body.append(_summary(found, spoken))
    body += [_section(code, found, examples[code], spoken) for code in _order(found)]
    return (
        f'<!doctype html><html lang="{spoken}"><head><meta charset="utf-8"><title>{_e(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>'
        f"<body>{''.join(body)}</body></html>\n"
    )


def _summary(found: Checked, spoken: Language) -> str:
    heads = [_line(f"check.column.{name}", spoken) for name in ("issue", "severity", "rows")]
    lines = [
        f'<tr><td><a href="#{_e(code)}">{_e(message(code, {}, spoken).title)}</a></td>'
        f"<td>{_e(_line(f'check.severity.{found.codes[code].value}', spoken))}</td>"
        f'<td class="number">{found.log.counts[code]:,}</td></tr>'
        for code in _order(found)
    ]
    if not lines:
        return ""
    head = f'<tr><th>{_e(heads[0])}</th><th>{_e(heads[1])}</th><th class="number">{_e(heads[2])}</th></tr>'
    return f"<table><thead>{head}</thead><tbody>{''.join(lines)}</tbody></table>"


def _section(code: str, found: Checked, issues: Sequence[Issue], spoken: Language) -> str:
    text, count = message(code, {}, spoken), found.log.counts[code]
    heads = [_line(f"check.column.{name}", spoken) for name in ("row", "what", "raw")]
    rows = "".join(
        f'<tr><td class="number">{_e(str(issue.row_no or "–"))}</td>'
        f"<td>{_e(message(code, issue.facts, spoken).detail)}</td><td>{_e(_shown_raw(issue))}</td></tr>"
        for issue in issues
    )
    rest = "" if count <= len(issues) else f'<p class="quiet">+ {count - len(issues):,}: issues.csv</p>'
    head = f'<tr><th class="number">{_e(heads[0])}</th><th>{_e(heads[1])}</th><th>{_e(heads[2])}</th></tr>'
    return (
        f'<section><h2 id="{_e(code)}" class="{found.codes[code].value}">{_e(text.title)} ({count:,})</h2>'
        f'<p>{_e(text.action)} <span class="quiet">{_e(code)}</span></p>'
        f"<table><thead>{head}</thead><tbody>{rows}</tbody></table>{rest}</section>"
    )


def _shown_raw(issue: Issue) -> str:
    return "" if issue.field in PERSONAL or issue.raw_value is None else issue.raw_value


def _e(text: str) -> str:
    return html.escape(text)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────────────────────


def register(app: typer.Typer) -> None:
    """Add ``landdb check``."""
    app.command("check")(check_command)


def check_command(
    files: Annotated[list[Path], typer.Argument(help="files of one import; parts of a shapefile are found beside it")],
    profile: Annotated[str | None, typer.Option(help="vilis, gcadas, vbdlis, landdb, general, or a TOML file")] = None,
    srid: Annotated[int | None, typer.Option(help="EPSG code of the file's zone")] = None,
    commune: Annotated[str | None, typer.Option(help="code of the commune")] = None,
    layer: Annotated[str | None, typer.Option(help="layer of a file that has several")] = None,
    sheet: Annotated[str | None, typer.Option(help="sheet number of a file without a sheet column")] = None,
    report: Annotated[Path | None, typer.Option(help="folder for report.html, issues.csv and issues.gpkg")] = None,
    json_mode: Json = False,
) -> None:
    """Check files without a database; exit code 4 where an import would set rows aside."""
    spoken = language()
    with progress("kiểm tra tệp" if spoken == "vi" else "check") as tell:
        found = check(files, profile=profile, srid=srid, commune=commune, layer=layer, sheet=sheet, tell=tell)
    if report is not None:
        write_report(found, report, spoken, today=dt.datetime.now().astimezone().date())
    emit(json_mode, as_data(found, spoken), as_lines(found, spoken))
    if not found.passed:
        raise typer.Exit(EXIT_VIOLATED)
