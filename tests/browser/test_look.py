"""How pages look, measured: nothing wider than the screen, nothing that axe-core finds serious, a picture of each to look at."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.browser.conftest import AXE, PICTURES, Site, await_map, sign_in

pytestmark = pytest.mark.browser

SIZES = [(1280, 800), (390, 844), (1366, 768)]
PUBLIC = {"tra-cuu": "/", "dang-nhap": "/sign-in", "ma-dat-lai": "/password/reset", "khong-co": "/khong-co"}
OF_STAFF = {"viec-cua-toi": "/", "ban-do": "/map", "nhap-du-lieu": "/imports", "doi-mat-khau": "/password"}
OF_ADMIN = {name: f"/admin/{name}" for name in ("staff", "offices", "keys", "holidays")}


def measured(page: Page, name: str, width: int) -> list[str]:
    """What is wrong with the page as it stands; its picture is kept."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{width}.png")
    faults = []
    wide = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    if wide > 0:
        faults.append(f"{name} at {width}: {wide} px too wide")
    return faults + [f"{name} at {width}: {fault}" for fault in serious(page)]


def serious(page: Page) -> list[str]:
    """Faults that axe-core calls serious or critical. It is run past the page's own policy, which forbids it."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci")
    session = page.context.new_cdp_session(page)
    script = AXE.read_text("utf-8") + ";axe.run().then(found => JSON.stringify(found.violations))"
    answer = session.send("Runtime.evaluate", {"expression": script, "awaitPromise": True, "returnByValue": True})
    found: list[dict[str, Any]] = json.loads(answer["result"]["value"])
    return [
        f"{each['id']}: {each['nodes'][0]['target']}" for each in found if each["impact"] in {"serious", "critical"}
    ]


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_pages_fit_and_can_be_read_by_all(
    visit: Callable[..., Page], live_server: Site, width: int, height: int
) -> None:
    """Every page, at the office's monitor, a laptop's and a telephone's width."""
    faults = []
    page = visit(width, height)
    parcel = live_server.parcels[0]["id"]
    for name, path in {**PUBLIC, "thua-cong-khai": f"/parcels/{parcel}"}.items():
        page.goto(live_server.url + path)
        faults += measured(page, name, width)

    page.goto(live_server.url)
    sign_in(page, "duyet")
    jobs = page.locator("a.item[href^='/imports/']").evaluate_all(
        "links => links.map(link => link.getAttribute('href'))"
    )
    shown = {f"dot-nhap-{number}": path for number, path in enumerate(dict.fromkeys(jobs))}
    for name, path in {**OF_STAFF, "the-thua": f"/map?parcel={parcel}", **shown}.items():
        page.goto(live_server.url + path)
        if "ban-do" in name or "the-thua" in name or "dot-nhap" in name:
            await_map(page)
        faults += measured(page, name, width)

    page = visit(width, height)
    sign_in(page, "quantri")
    for name, path in OF_ADMIN.items():
        page.goto(live_server.url + path)
        faults += measured(page, f"quan-tri-{name}", width)
    assert not faults


def test_the_measure_sees_what_is_wrong(visit: Callable[..., Page]) -> None:
    """The same measure, on a page spoiled on purpose: too wide, and an image without a word."""
    page = visit()
    page.evaluate(
        """() => { const wide = document.createElement('img'); wide.width = 3000; wide.height = 5;
                   wide.style.maxWidth = 'none'; document.body.append(wide); }"""
    )
    faults = measured(page, "hong-co-y", 1280)
    assert any("too wide" in fault for fault in faults)
    assert any("image-alt" in fault for fault in faults)
