"""The demo province: made-up communes, offices and people, their files written first and then imported like anybody's.

One commune's file keeps a few faults, so that the page of imports has something to show; a later survey of one commune
waits for approval. Nothing here runs in production.
"""

from __future__ import annotations

import csv
import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from etl.pipeline import with_parts
from etl.worker import Worker
from landdb.access import store as access
from landdb.access.add_office import add_office
from landdb.access.add_staff import add_staff
from landdb.access.grant_role import grant_role
from landdb.access.serve_commune import serve_commune
from landdb.access.set_password import set_password
from landdb.administrative.model import Registration, RegistrationKind
from landdb.administrative.store import add_registration
from landdb.db.transaction import SYSTEM, Actor, Database, Tx, new_id
from landdb.errors import Conflict
from landdb.files import FileStore, StoredFile
from landdb.intake import store
from landdb.intake.approve import approve
from landdb.intake.model import Intent, JobFailed, Progress, State
from landdb.intake.submit import Request, submit
from landdb.reference.load import BoundaryOptions, load_table
from landdb.reference.store import resolve_commune
from landdb.sealing.keys import Keys
from landdb.spatial.model import LinearObject
from landdb.spatial.store import add_linear_objects, count_linear_objects, parcels_of
from ops.demo_dossiers import SCENES, cast, load_dossiers
from ops.synthetic.command import write_province

PASSWORD: Final = "demo-dat-dai-2026"  # noqa: S105 - printed at every start, refused in production
PARCELS: Final = 6000
SEED: Final = 2026
FAULTS: Final = 0.004
FIRST_UNIT_ID: Final = 900_000


@dataclass(frozen=True)
class DemoOffice:
    """An office of the made-up province. ``serves``: which communes, all, the first, or none. H99 is nobody's code."""

    key: str
    code: str
    name: str
    kind: str
    parent: str | None = None
    serves: str = "none"


OFFICES: Final = (
    DemoOffice("head", "H99.16", "Văn phòng ĐKĐĐ Giả Định", "provincial_office"),
    DemoOffice("branch", "H99.16.01", "Chi nhánh khu vực Giả Định", "branch", "head", serves="all"),
    DemoOffice("committee", "H99.41", "UBND {commune}", "commune_committee", serves="first"),
    DemoOffice("desk", "H99.41.01", "Trung tâm PVHCC {commune}", "commune_desk", "committee", serves="first"),
    DemoOffice("tax", "H99.70", "Thuế cơ sở Giả Định", "tax", serves="all"),
)
BRANCH: Final = "branch"

ACCOUNTS: Final = (
    ("nhap", "Lê Thị Nhập", "branch", ("survey_officer",)),
    ("duyet", "Trần Văn Duyệt", "branch", ("registrar", "land_officer")),
    ("canbo", "Phạm Thị Tra", "branch", ("land_officer",)),
    ("lanhdao", "Vũ Thị Đạo", "branch", ("branch_head",)),
    ("motcua", "Hồ Văn Tiếp", "desk", ("desk_officer",)),
    ("ubxa", "Đặng Thị Xã", "committee", ("commune_leader",)),
    ("thue", "Bùi Văn Thuế", "tax", ("tax_officer",)),
    ("giamsat", "Mai Thị Sát", "head", ("supervisor",)),
    ("quantri", "Ngô Quản Trị", "branch", ("sysadmin",)),
)
"""Login, invented name, office, roles. All have the password that is printed at start."""


KIND_OF: Final = {"road": "road", "path": "road", "canal": "canal", "ditch": "canal", "river": "river"}


def load_demo(database: Database, files: FileStore, worker: Worker, folder: Path, tell: Progress) -> None:
    """Write the province and take it through the real import, first to last. Safe to run again after a kill."""
    manifest = _written(folder, tell)
    with database.begin(SYSTEM) as tx:
        _load_units(tx, folder, manifest)
        staff, office_id = _load_people(tx, manifest)
    clerk = Actor("staff", staff["nhap"], office_id=office_id, permissions=frozenset({"import:submit"}))
    judge = Actor("staff", staff["duyet"], office_id=office_id, permissions=frozenset({"import:approve"}))
    shapefiles = [file for file in manifest["files"] if file["format"] == "shp"]
    for done, file in enumerate(shapefiles):
        tell(file["commune"], done, len(shapefiles) + 1)
        _import(database, files, worker, clerk, judge, with_parts([folder / file["path"]]), file["commune"])
    with database.begin(SYSTEM) as tx:
        _load_linear_objects(tx, folder, manifest)
    for file in manifest["later"]:
        if file["format"] == "gpkg":
            tell(file["commune"], len(shapefiles), len(shapefiles) + 1)
            _resurvey(database, files, worker, clerk, [folder / file["path"]], file)
    _load_dossiers(database, worker.keys, staff)


def _load_dossiers(database: Database, keys: Keys, staff: dict[str, UUID]) -> None:
    """The dossiers, on parcels of the first commune."""
    with database.begin(SYSTEM) as tx:
        found = {office.code: office.office_id for office in access.list_offices(tx, closed_too=False)}
        parcels = parcels_of(tx, FIRST_UNIT_ID + 1, len(SCENES))
    players = cast(
        staff,
        {login: office for login, _, office, _ in ACCOUNTS},
        {login: roles for login, *_, roles in ACCOUNTS},
        {office.key: found[office.code] for office in OFFICES},
    )
    load_dossiers(database, keys, players, parcels)


def _written(folder: Path, tell: Progress) -> dict[str, Any]:
    """The manifest of the written province; written anew unless it is whole."""
    path = folder / "manifest.json"
    if not path.exists():
        write_province(folder, PARCELS, SEED, formats=("shp", "gpkg"), faults=FAULTS, encoding="tcvn3", progress=tell)
    manifest: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return manifest


def _load_units(tx: Tx, folder: Path, manifest: dict[str, Any]) -> None:
    units = folder / "admin_unit.csv"
    with units.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(
            [
                "admin_unit_id",
                "kind",
                "code",
                "name",
                "full_name",
                "other_names",
                "parent_id",
                "valid_from",
                "valid_to",
                "source",
            ]
        )
        province = FIRST_UNIT_ID
        source = "made up for the demo"
        writer.writerow([province, "province", "00", "Giả Định", "Tỉnh Giả Định", "", "", "", "", source])
        for number, commune in enumerate(manifest["communes"], start=1):
            name = commune["name"].split(" ", 1)[1]
            row = [province + number, "commune", commune["code"], name, commune["name"], "", province, "", "", source]
            writer.writerow(row)
    load_table(tx, "admin_unit", units)
    boundary = BoundaryOptions(code_property="code", accuracy_m=0.1, source=source)
    load_table(tx, "admin_unit_boundary", folder / manifest["boundaries"], boundary)


def _load_people(tx: Tx, manifest: dict[str, Any]) -> tuple[dict[str, UUID], int]:
    """Offices and staff; answers the staff by login, and the branch."""
    codes = {office.key: office.code for office in OFFICES}
    known = access.find_office(tx, codes[BRANCH], tx.today)
    if known is not None:
        people = {login: access.find_staff(tx, login) for login, *_ in ACCOUNTS}
        return {login: person.staff_id for login, person in people.items() if person}, known.office_id
    offices = _found_offices(tx, manifest)
    staff = {}
    for login, name, office, roles in ACCOUNTS:
        staff[login] = add_staff(tx, login=login, full_name=name, office_id=offices[office])
        set_password(tx, staff[login], PASSWORD, must_change=False)
        for role in roles:
            grant_role(tx, staff[login], role)
    return staff, offices[BRANCH]


def _found_offices(tx: Tx, manifest: dict[str, Any]) -> dict[str, int]:
    communes = manifest["communes"]
    served = {"all": range(1, len(communes) + 1), "first": range(1, 2), "none": range(0)}
    found: dict[str, int] = {}
    for office in OFFICES:
        name = office.name.format(commune=communes[0]["name"])
        parent = found[office.parent] if office.parent else None
        found[office.key] = add_office(tx, code=office.code, name=name, kind=office.kind, parent_id=parent)
        for number in served[office.serves]:
            serve_commune(tx, found[office.key], FIRST_UNIT_ID + number)
    return found


def _import(
    database: Database, files: FileStore, worker: Worker, clerk: Actor, judge: Actor, paths: list[Path], commune: str
) -> None:
    """One file through submit, check, approval and apply; one that is already in the register is left alone."""
    try:
        job_id = _submit(database, files, clerk, paths, Request(_unit_id(database, commune), Intent.FIRST_LOAD))
    except Conflict:
        return
    worker.read_import(job_id)
    with database.begin(judge) as tx:
        approve(tx, job_id)
    worker.apply_import(job_id)
    _expect(database, job_id, State.APPLIED)


def _resurvey(
    database: Database, files: FileStore, worker: Worker, clerk: Actor, paths: list[Path], file: dict[str, Any]
) -> None:
    """A later survey of a commune that waits for somebody's approval."""
    unit_id = _unit_id(database, file["commune"])
    with database.begin(SYSTEM) as tx:
        if any(job.intent is Intent.RESURVEY for job in store.search_jobs(tx)):
            return
    asked = Request(unit_id, Intent.RESURVEY, valid_from=dt.date.fromisoformat(file["dated"]), layer=file["layer"])
    job_id = _submit(database, files, clerk, paths, asked)
    worker.read_import(job_id)
    _expect(database, job_id, State.CHECKED)


def _expect(database: Database, job_id: UUID, state: State) -> None:
    with database.begin(SYSTEM) as tx:
        job = store.get_job(tx, job_id)
    if job.state is not state:
        raise JobFailed.of(job.failure_code or "import.not_in_state", job.failure_params or {"state": job.state.value})


def _unit_id(database: Database, commune: str) -> int:
    with database.begin(SYSTEM) as tx:
        return resolve_commune(tx, commune).admin_unit_id


def _submit(database: Database, files: FileStore, clerk: Actor, paths: list[Path], asked: Request) -> UUID:
    kept: list[StoredFile] = []
    for path in paths:
        with path.open("rb") as stream:
            kept.append(files.add(path.name, stream, max_bytes=1 << 32))
    with database.begin(clerk) as tx:
        return submit(tx, asked, kept).job_id


def _load_linear_objects(tx: Tx, folder: Path, manifest: dict[str, Any]) -> None:
    """Roads and canals, straight from the files: they are drawn on the map without being parcels."""
    import pyogrio
    import shapely

    if count_linear_objects(tx, FIRST_UNIT_ID + 1):
        return
    act = Registration(new_id(), RegistrationKind.IMPORT, tx.now, legal_ground="demo")
    add_registration(tx, act)
    for number, commune in enumerate(manifest["communes"], start=1):
        written = next(f for f in manifest["files"] if f["commune"] == commune["code"] and f["format"] == "gpkg")
        _, _, shapes, values = pyogrio.raw.read(
            folder / written["path"], layer="doi_tuong_tuyen", columns=["LOAI", "TEN"]
        )
        objects = [
            LinearObject(KIND_OF.get(kind, "other"), name, FIRST_UNIT_ID + number, shape)
            for kind, name, shape in zip(values[0], values[1], shapely.from_wkb(shapes), strict=True)
        ]
        add_linear_objects(tx, objects, act.registration_id)
