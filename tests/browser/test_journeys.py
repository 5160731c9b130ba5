"""What people come for, done with the words they see: find a parcel; upload, mend, approve, undo; let a colleague in."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Site, await_map, sign_in, sign_out

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]


def reference_of(feature: dict[str, Any]) -> tuple[str, str, str]:
    """Parcel number, sheet number, commune."""
    facts = feature["properties"]
    return facts["parcel_no"], facts["sheet_no"], facts["commune"]


def test_a_visitor_finds_a_parcel_and_no_holder(visit: Visit, live_server: Site) -> None:
    """Without an account: the parcel's card beside the map, with areas and neighbours, and nobody's name."""
    parcel, sheet, commune = reference_of(live_server.parcels[0])
    page = visit()
    page.get_by_role("combobox", name="Tìm thửa, giấy chứng nhận hoặc toạ độ").fill(
        f"thửa {parcel} tờ {sheet} {commune}"
    )
    page.get_by_role("button", name="Tìm").click()
    heading = page.get_by_role("heading", name=f"Thửa {parcel}, tờ {sheet}, {commune}")
    expect(heading).to_be_visible()
    await_map(page)
    expect(page.get_by_role("heading", name="Thửa liền kề")).to_be_visible()
    expect(page.get_by_role("heading", name="Người sử dụng đất")).to_have_count(0)
    expect(page.get_by_text("chỉ hiện cho cán bộ có quyền")).to_be_visible()
    page.locator(".neighbours a").first.click()
    expect(heading).to_have_count(0)
    page.go_back()
    expect(heading).to_be_visible()


def test_suggestions_by_keyboard(visit: Visit, live_server: Site) -> None:
    """``/``, type, arrow down, Enter: no mouse; the officer sees the holders."""
    parcel, sheet, commune = reference_of(live_server.parcels[1])
    page = visit()
    sign_in(page, "canbo")
    expect(page.get_by_role("heading", name="Việc của tôi")).to_be_visible()
    page.locator("#content").focus()
    page.keyboard.press("/")
    page.keyboard.type(f"thua {parcel} to {sheet} {commune}")
    expect(page.get_by_role("option").first).to_contain_text(f"Thửa {parcel}, tờ {sheet}")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name=f"Thửa {parcel}, tờ {sheet}, {commune}")).to_be_visible()
    expect(page.get_by_role("heading", name="Người sử dụng đất")).to_be_visible()


def changed_file(folder: Path, parcels: list[dict[str, Any]]) -> Path:
    """Five parcels of the register with other land uses, one with an area that is no number."""
    features = []
    for number, feature in enumerate(parcels[:5]):
        facts = feature["properties"]
        row = {
            "SHBANDO": facts["sheet_no"],
            "SHTHUA": facts["parcel_no"],
            "DIENTICH": "một trăm" if number == 0 else str(facts["measured_area_m2"]).replace(".", ","),
            "KHLOAIDAT": "NTS" if facts["land_use"][0]["code"] != "NTS" else "CLN",
        }
        features.append({"type": "Feature", "properties": row, "geometry": feature["geometry"]})
    path = folder / "cap-nhat.geojson"
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False), "utf-8")
    return path


def test_upload_mend_approve_undo(visit: Visit, live_server: Site, tmp_path: Path) -> None:
    """The road of a branch's file: one officer uploads and mends, another approves and undoes."""
    page = visit()
    sign_in(page, "nhap")
    page.get_by_role("link", name="Nhập dữ liệu", exact=True).click()
    page.get_by_label("Chọn tệp").set_input_files(changed_file(tmp_path, live_server.parcels))
    page.get_by_label("Xã, phường").fill(live_server.commune)
    page.get_by_label("Cập nhật").check()
    page.get_by_text("Tuỳ chọn").click()
    page.get_by_label("Mẫu cột").select_option(label="ViLIS")
    page.get_by_label("Hệ toạ độ").select_option(label="WGS84 (4326)")
    page.get_by_role("button", name="Gửi để kiểm tra").click()
    expect(page.get_by_role("heading", name=f"Nhập dữ liệu, {live_server.commune}")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Chờ duyệt", exact=True)).to_be_visible(timeout=60_000)
    numbers = page.locator(".four")
    expect(numbers.get_by_text("Cần sửa").locator("..")).to_contain_text("1")
    expect(numbers.get_by_text("Thay đổi").locator("..")).to_contain_text("4")
    expect(page.get_by_text("Người nộp không tự duyệt")).to_have_count(0)  # a survey officer has no say in it at all

    row = page.locator("tr.issue").filter(has_text="một trăm")
    row.click()
    expect(page.locator("#issue-note")).to_contain_text("Diện tích không phải là số")
    row.get_by_role("button", name="Sửa").click()
    page.get_by_label("Diện tích (m²)").fill("123,4")
    page.get_by_role("button", name="Lưu và kiểm tra lại").click()
    expect(page.locator(".four").get_by_text("Cần sửa").locator("..")).to_contain_text("0", timeout=60_000)
    address = page.url

    sign_out(page)
    expect(page.get_by_text("Đã đăng xuất.")).to_be_visible()
    page.get_by_label("Tên đăng nhập").fill("duyet")
    page.get_by_label("Mật khẩu").fill("demo-dat-dai-2026")
    page.get_by_role("button", name="Đăng nhập").click()
    page.get_by_role("heading", name=re.compile("Chờ duyệt")).wait_for()
    page.locator(f"a[href='{address.removeprefix(live_server.url)}']").first.click()
    page.get_by_role("link", name="Duyệt 5 thửa").click()
    question = page.get_by_role("dialog")
    expect(question).to_contain_text(f"Duyệt 5 thửa, {live_server.commune}?")
    question.get_by_role("button", name="Duyệt 5 thửa").click()
    expect(page.get_by_text("Đã ghi vào sổ", exact=True)).to_be_visible(timeout=60_000)

    page.get_by_role("link", name="Hoàn tác").click()
    page.get_by_role("dialog").get_by_role("button", name="Hoàn tác").click()
    expect(page.get_by_text("Đã hoàn tác", exact=True)).to_be_visible(timeout=60_000)


def test_a_file_chosen_before_the_script_came_is_kept(visit: Visit, live_server: Site, tmp_path: Path) -> None:
    """On a slow line the person is quicker than the page's script: nothing chosen may be lost."""
    page = visit()
    sign_in(page, "nhap")
    held: list[Route] = []
    page.route("**/upload*.js*", lambda route: held.append(route))  # noqa: PLW0108 - the driver sets an attribute on what it is given
    page.get_by_role("link", name="Nhập dữ liệu", exact=True).click(no_wait_after=True)
    page.get_by_label("Chọn tệp").set_input_files(changed_file(tmp_path, live_server.parcels))
    expect(page.get_by_label("Xã, phường")).to_be_hidden()
    page.wait_for_timeout(200)
    held[0].continue_()
    expect(page.get_by_label("Xã, phường")).to_be_visible()


def test_a_refused_file_says_why_in_place(visit: Visit, live_server: Site, tmp_path: Path) -> None:
    """A text named .shp, and no commune: each is said where the person is looking; nothing is lost."""
    wrong = tmp_path / "ghi-chu.shp"
    wrong.write_text("không phải bản đồ", "utf-8")
    page = visit()
    sign_in(page, "nhap")
    page.get_by_role("link", name="Nhập dữ liệu", exact=True).click()
    page.get_by_label("Chọn tệp").set_input_files(wrong)
    page.get_by_role("button", name="Gửi để kiểm tra").click()
    expect(page.get_by_label("Xã, phường")).to_be_focused()
    page.get_by_label("Xã, phường").fill(live_server.commune)
    page.get_by_role("button", name="Gửi để kiểm tra").click()
    expect(page.get_by_text("Không đọc được", exact=True)).to_be_visible(timeout=60_000)
    expect(page.locator(".note.fail")).to_be_visible()


def test_a_new_colleague_gets_in(visit: Visit, live_server: Site) -> None:
    """The administrator opens an account and hands over a code shown once; the person sets a password with it."""
    office = visit()
    sign_in(office, "quantri")
    office.get_by_role("link", name="Quản trị").click()
    office.get_by_text("Thêm cán bộ").click()
    office.get_by_label("Tên đăng nhập").fill("moi.den")
    office.get_by_label("Họ và tên").fill("Đỗ Mới Đến")
    office.get_by_role("checkbox", name="Cán bộ đăng ký").check()
    office.get_by_role("button", name="Thêm", exact=True).click()
    code = office.get_by_role("dialog").locator("code").inner_text()
    office.get_by_role("button", name="Đã ghi lại").click()
    expect(office.get_by_role("rowheader", name="Đỗ Mới Đến")).to_be_visible()

    person = visit()
    person.get_by_role("banner").get_by_role("link", name="Đăng nhập").click()
    person.get_by_role("link", name="Đã có mã đặt lại").click()
    person.get_by_label("Mã đặt lại").fill(code)
    person.get_by_label("Mật khẩu mới", exact=True).fill("con trâu là đầu cơ nghiệp")
    person.get_by_label("Nhập lại mật khẩu mới").fill("con trâu là đầu cơ nghiệp")
    person.get_by_role("button", name="Lưu mật khẩu").click()
    person.get_by_label("Tên đăng nhập").fill("moi.den")
    person.get_by_label("Mật khẩu").fill("con trâu là đầu cơ nghiệp")
    person.get_by_role("button", name="Đăng nhập").click()
    expect(person.get_by_text("Đỗ Mới Đến").first).to_be_visible()


def test_a_locked_account_is_released(visit: Visit, live_server: Site) -> None:
    """Five wrong passwords lock; the words do not tell whether the account exists; the administrator releases it."""
    person = visit()
    sign_in(person, "canbo", "sai mật khẩu rồi")
    for _ in range(5):
        expect(person.get_by_role("alert")).to_be_visible()
        person.get_by_label("Mật khẩu").fill("sai mật khẩu rồi")
        person.get_by_role("button", name="Đăng nhập").click()
    person.get_by_label("Mật khẩu").fill("demo-dat-dai-2026")
    person.get_by_role("button", name="Đăng nhập").click()
    expect(person.get_by_role("alert")).to_be_visible()

    office = visit()
    sign_in(office, "quantri")
    office.get_by_role("link", name="Quản trị").click()
    office.get_by_role("button", name="Mở khoá cho Phạm Thị Tra").click()
    expect(office.get_by_role("button", name="Mở khoá cho Phạm Thị Tra")).to_have_count(0)
    person.get_by_label("Mật khẩu").fill("demo-dat-dai-2026")
    person.get_by_role("button", name="Đăng nhập").click()
    expect(person.get_by_role("heading", name="Việc của tôi")).to_be_visible()


def test_reading_needs_no_script(visit: Visit, live_server: Site) -> None:
    """A browser without JavaScript searches and reads the card as a page."""
    parcel, sheet, commune = reference_of(live_server.parcels[0])
    page = visit(java_script_enabled=False)
    page.goto(f"{live_server.url}/parcels/{live_server.parcels[0]['id']}")
    expect(page.get_by_role("heading", name=f"Thửa {parcel}, tờ {sheet}, {commune}")).to_be_visible()
    expect(page.get_by_text("Đo đạc", exact=True)).to_be_visible()


def test_the_switch_changes_every_word_of_the_frame(visit: Visit, live_server: Site) -> None:
    """EN and back."""
    page = visit()
    page.get_by_role("link", name="EN").click()
    expect(page.get_by_role("heading", name="Find a parcel of land")).to_be_visible()
    page.get_by_role("link", name="VI").click()
    expect(page.get_by_role("heading", name="Tra cứu thửa đất")).to_be_visible()
