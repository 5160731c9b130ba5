"""A citizen at home and a clerk with a telephone: fill in the form, mend it, look it over, send it, ask how it stands."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from landdb.config import Settings
from landdb.db.transaction import connect
from landdb.sealing.identity import CITIZEN, decrypt
from landdb.sealing.keys import load_keys
from tests.browser.conftest import Site, sign_in
from tests.browser.test_look import measured

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
CONTENT = "Đổi số chứng minh nhân dân sang số định danh cá nhân."


@dataclass(frozen=True)
class Holder:
    """A made-up holder of the demo province, whose number and paper nobody but the register knows."""

    name: str
    identity_no: str
    serial: str
    sheet_no: str
    parcel_no: str


@pytest.fixture
def holder(live_server: Site) -> Iterator[Holder]:
    """One person with one certificate, and no attempts counted against this machine."""
    database = connect(os.environ["LANDDB_DATABASE_URL"], pool_size=1)
    keys = load_keys(Settings(data=Path(os.environ["LANDDB_DATA"])))
    with database.begin() as tx:
        tx.execute("DELETE FROM access_event WHERE kind LIKE 'prefill%' OR kind LIKE 'status%'")
        row = tx.execute(
            """SELECT c.raw_name, c.number_encrypted, paper.serial_no, s.sheet_no, p.parcel_no
               FROM party_claim c
               JOIN right_holder h USING (party_claim_id)
               JOIN right_held r ON r.right_id = h.right_id AND upper_inf(r.recorded)
               JOIN parcel p ON p.parcel_id = r.parcel_id AND p.status = 'in_force'
               JOIN map_sheet s ON s.map_sheet_id = p.map_sheet_id
               JOIN certificate_parcel link ON link.parcel_id = p.parcel_id
               JOIN certificate paper ON paper.certificate_id = link.certificate_id
               WHERE paper.serial_folded ~ '^[A-Z]{2}[0-9]{6}$' AND c.number_index IN
                     (SELECT number_index FROM party_claim GROUP BY number_index HAVING count(*) = 1)
               ORDER BY p.parcel_id LIMIT 1"""
        ).one()
    yield Holder(
        row.raw_name, decrypt(keys, CITIZEN, bytes(row.number_encrypted)), row.serial_no, row.sheet_no, row.parcel_no
    )
    database.dispose()


def open_form(page: Page) -> None:
    page.get_by_role("link", name="Nộp hồ sơ trực tuyến").click()
    page.get_by_role("link", name="Đơn đăng ký biến động").click()
    expect(page.get_by_role("heading", name="Đơn đăng ký biến động đất đai")).to_be_visible()


def fill_rest(page: Page) -> None:
    """What the register does not know."""
    page.get_by_label("Địa chỉ", exact=True).fill("12 ấp Đại Chí")
    page.get_by_label("Điện thoại", exact=True).fill("0912 345 678")
    page.get_by_label("Loại biến động").select_option(label="Thay đổi thông tin người sử dụng đất")
    page.get_by_label("Nội dung biến động").fill(CONTENT)
    page.get_by_label("Tôi cam đoan").check()


def test_filled_from_the_register_sent_and_looked_up(visit: Visit, holder: Holder) -> None:
    """The whole way on a telephone: prefill, a mistake told beside its field, review, receipt, status."""
    page = visit(390, 844)
    faults = measured(page, "trang-dau", 390)
    open_form(page)
    faults += measured(page, "bieu-mau-dien-san", 390)
    page.get_by_label("Số định danh cá nhân").fill(holder.identity_no)
    page.get_by_label("Nội dung thông tin thứ hai").fill("XX 000000")
    page.get_by_role("button", name="Điền sẵn").click()
    expect(page.get_by_text("Không có thông tin khớp")).to_be_visible()
    page.get_by_label("Nội dung thông tin thứ hai").fill(holder.serial)
    page.get_by_role("button", name="Điền sẵn").click()

    expect(page.get_by_role("heading", name="Kê khai", exact=True)).to_be_focused()
    name = page.get_by_label("Họ và tên, tên tổ chức")
    expect(name).to_have_value(holder.name)
    expect(name).not_to_be_editable()
    expect(page.get_by_role("textbox", name="Số phát hành giấy chứng nhận")).to_have_value(holder.serial)
    expect(page.get_by_text("Theo giấy chứng nhận trong sổ, ghi nhận ngày").first).to_be_visible()
    expect(page.get_by_label("Địa chỉ", exact=True)).to_be_editable()
    faults += measured(page, "bieu-mau-ke-khai", 390)

    page.get_by_role("button", name="Tiếp tục: xem lại").click()
    expect(page.get_by_text("Vui lòng điền: Địa chỉ.").first).to_be_visible()
    expect(page.get_by_label("Địa chỉ", exact=True)).to_be_focused()
    expect(page.get_by_label("Điện thoại", exact=True)).to_have_attribute("aria-invalid", "true")
    faults += measured(page, "bieu-mau-cho-sua", 390)
    fill_rest(page)
    page.get_by_role("button", name="Tiếp tục: xem lại").click()

    expect(page.get_by_role("heading", name="Xem lại trước khi gửi")).to_be_focused()
    expect(page.get_by_role("definition").filter(has_text=CONTENT)).to_be_visible()
    expect(page.get_by_role("definition").filter(has_text=holder.name)).to_be_visible()
    faults += measured(page, "bieu-mau-xem-lai", 390)
    page.get_by_role("button", name="Sửa lại").click()
    expect(page.get_by_label("Nội dung biến động")).to_have_value(CONTENT)
    page.get_by_role("button", name="Tiếp tục: xem lại").click()
    page.get_by_role("button", name="Gửi hồ sơ").click()

    expect(page.get_by_role("heading", name="Đã tiếp nhận hồ sơ")).to_be_focused()
    code = page.locator("#receipt-code").inner_text()
    assert re.fullmatch(r"\S+-\d{6}-\d{4}", code)
    faults += measured(page, "bieu-mau-bien-nhan", 390)

    page.get_by_role("link", name="Tra cứu hồ sơ").click()
    page.get_by_label("Mã hồ sơ").fill(code)
    page.get_by_label("Số định danh hoặc số điện thoại đã khai").fill("0912345678")
    page.get_by_role("button", name="Xem tình trạng").click()
    expect(page.get_by_role("heading", name=f"Hồ sơ {code}")).to_be_visible()
    expect(page.get_by_text("Được tiếp nhận").first).to_be_visible()
    expect(page.get_by_text(holder.name)).to_have_count(0)
    faults += measured(page, "tra-cuu-ho-so", 390)
    assert not faults


def test_without_prefill_by_keyboard(visit: Visit, holder: Holder) -> None:
    """Who would rather write everything: no mouse, from the first field to the receipt."""
    page = visit()
    open_form(page)
    page.get_by_role("button", name="Tự kê khai").press("Enter")
    page.get_by_label("Họ và tên, tên tổ chức").fill("Lê Văn Ba")
    page.get_by_label("Số định danh, số giấy tờ").fill("000 190 000 002")
    page.get_by_label("Xã, phường nơi có đất").select_option(index=1)
    fill_rest(page)
    page.get_by_label("Giấy tờ kèm theo").fill("Giấy chứng nhận\n\nCăn cước")
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Tiếp tục: xem lại").press("Enter")
    expect(page.get_by_role("heading", name="Xem lại trước khi gửi")).to_be_visible()
    page.get_by_role("button", name="Gửi hồ sơ").press("Enter")
    expect(page.get_by_role("heading", name="Đã tiếp nhận hồ sơ")).to_be_visible()
    expect(page.get_by_label("Nội dung biến động")).to_have_value("")  # nothing of the person stays on the machine


def test_prefill_can_be_dropped(visit: Visit, holder: Holder) -> None:
    page = visit()
    open_form(page)
    page.get_by_label("Số định danh cá nhân").fill(holder.identity_no)
    page.get_by_label("Số tờ và số thửa").check()
    expect(page.get_by_text("Viết tờ/thửa, ví dụ 12/45")).to_be_visible()
    page.get_by_label("Nội dung thông tin thứ hai").fill(f"{holder.sheet_no}/{holder.parcel_no}")
    page.get_by_role("button", name="Điền sẵn").click()
    expect(page.get_by_label("Thửa đất số")).to_have_value(holder.parcel_no)
    page.get_by_label("Thửa đất khác").check()
    expect(page.get_by_label("Thửa đất số")).to_have_value("")
    expect(page.get_by_label("Thửa đất số")).to_be_editable()
    expect(page.get_by_label("Họ và tên, tên tổ chức")).to_have_value(holder.name)
    page.get_by_role("button", name="Bỏ phần điền sẵn").click()
    expect(page.get_by_label("Họ và tên, tên tổ chức")).to_have_value("")
    expect(page.get_by_label("Họ và tên, tên tổ chức")).to_be_editable()


def test_a_broken_line_and_a_double_press_are_one_application(visit: Visit, holder: Holder) -> None:
    """The answer is lost on its way; pressed again, the same receipt comes, and there is one dossier."""
    page = visit()
    open_form(page)
    page.get_by_role("button", name="Tự kê khai").click()
    page.get_by_label("Họ và tên, tên tổ chức").fill("Võ Thị Lan")
    page.get_by_label("Số định danh, số giấy tờ").fill("000190000003")
    page.get_by_label("Xã, phường nơi có đất").select_option(index=1)
    fill_rest(page)
    page.get_by_role("button", name="Tiếp tục: xem lại").click()
    codes = []

    def lose(route: object) -> None:
        answer = route.fetch()  # type: ignore[attr-defined]
        codes.append(answer.json()["code"])
        route.abort()  # type: ignore[attr-defined]

    page.route("**/v1/submissions", lose)
    page.get_by_role("button", name="Gửi hồ sơ").click()
    expect(page.locator("#form-status .note")).to_be_visible()
    page.unroute("**/v1/submissions")
    page.get_by_role("button", name="Gửi hồ sơ").click()
    expect(page.locator("#receipt-code")).to_have_text(codes[0])


def test_the_pages_in_english_and_on_a_wide_screen(visit: Visit, holder: Holder, live_server: Site) -> None:
    faults = []
    page = visit(1366, 768)
    page.get_by_role("link", name="EN").click()
    for name, path in {"forms": "/forms", "form": "/forms/local.change", "status": "/dossier-status"}.items():
        page.goto(live_server.url + path)
        faults += measured(page, f"en-{name}", 1366)
    page.goto(f"{live_server.url}/forms/local.change")
    page.get_by_role("button", name="I fill it in myself").click()
    expect(page.get_by_label("Full name, or name of the organisation")).to_be_visible()
    faults += measured(page, "en-form-fill", 1366)
    assert not faults


def test_the_receipts_code_opens_the_question_about_its_dossier(visit: Visit, live_server: Site) -> None:
    page = visit(390, 844)
    page.goto(f"{live_server.url}/#ho-so=H99.41.01-261122-0001")
    expect(page.get_by_label("Mã hồ sơ")).to_have_value("H99.41.01-261122-0001")
    expect(page.get_by_label("Số định danh hoặc số điện thoại đã khai")).to_be_focused()
    sign_in(page, "motcua")  # who sees their own work at `/` is led to the page that asks
    expect(page.get_by_role("heading", name="Việc của tôi")).to_be_visible()
    page.goto(f"{live_server.url}/#ho-so=H99.41.01-261122-0002")
    expect(page.get_by_label("Mã hồ sơ")).to_have_value("H99.41.01-261122-0002")
