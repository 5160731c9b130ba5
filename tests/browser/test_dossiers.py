"""A dossier's way, by the words that officers see: received, supplemented, handed over with four others, accepted, returned."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PICTURES, Site, sign_in, sign_out

pytestmark = pytest.mark.browser
Visit = Callable[..., Page]
PASSWORD = "demo-dat-dai-2026"
CODE = re.compile(r"H99\.41\.01-\d{6}-\d{4}")
# The smallest picture there is: enough for a scan that nobody reads.
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c626001000000ffff03000006000557bfabd40000000049454e44ae426082"
)


def another(page: Page, login: str) -> None:
    """The next colleague signs in at the same screen."""
    sign_out(page)
    expect(page.get_by_text("Đã đăng xuất.")).to_be_visible()
    page.get_by_label("Tên đăng nhập").fill(login)
    page.get_by_label("Mật khẩu").fill(PASSWORD)
    page.get_by_role("button", name="Đăng nhập").click()
    expect(page.get_by_role("heading", name="Việc của tôi")).to_be_visible()


def to_dossiers(page: Page) -> None:
    page.get_by_role("navigation", name="Các phần").get_by_role("link", name="Hồ sơ").click()


def open_box(page: Page, box: str) -> None:
    to_dossiers(page)
    page.get_by_role("navigation", name="Ngăn hồ sơ").get_by_role("link", name=re.compile(rf"^{box}")).click()
    expect(page.get_by_role("heading", name=box, exact=True)).to_be_visible()


def receive(page: Page, applicant: str, scan: Path | None = None) -> str:
    """Take a dossier in at the desk; its code."""
    to_dossiers(page)
    page.get_by_role("link", name="Tiếp nhận hồ sơ").click()
    page.get_by_label("Thủ tục").select_option(label="Cấp đổi giấy chứng nhận")
    page.get_by_label("Họ và tên").first.fill(applicant)
    page.get_by_label(re.compile("^Đơn xin cấp đổi giấy chứng nhận")).check()
    page.get_by_label(re.compile("^Giấy chứng nhận đã cấp")).check()
    if scan is not None:
        page.get_by_label(re.compile("^Bản quét: Giấy chứng nhận đã cấp")).set_input_files(scan)
    page.get_by_role("button", name="Tiếp nhận hồ sơ").click()
    expect(page.get_by_text(re.compile(r"Đã tiếp nhận hồ sơ"))).to_be_visible(timeout=30_000)
    found = CODE.search(page.get_by_role("heading", level=1).inner_text())
    assert found
    return found[0]


def tick(page: Page, codes: list[str]) -> None:
    for code in codes:
        page.get_by_label(f"Chọn hồ sơ {code}").check()
    expect(page.get_by_role("region", name="Thao tác với hồ sơ đã chọn")).to_contain_text(f"Đã chọn {len(codes)} hồ sơ")


def step(page: Page, name: str) -> None:
    """Press a step's button; the page that comes then no longer offers it."""
    page.get_by_role("button", name=name).click()
    expect(page.get_by_role("button", name=name)).to_have_count(0)


def give_reason(page: Page, reason: str) -> None:
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Lý do").select_option(label=reason)
    dialog.get_by_role("button", name="Đồng ý").click()


def test_from_the_desk_to_the_branch_and_back(visit: Visit, live_server: Site, tmp_path: Path) -> None:
    scan = tmp_path / "gcn.png"
    scan.write_bytes(PIXEL)
    page = visit()
    sign_in(page, "motcua")
    codes = [receive(page, f"Lâm Văn Thử {number}", scan if number == 1 else None) for number in range(1, 6)]

    open_box(page, "Đang giữ")
    page.get_by_role("link", name=codes[0]).click()
    expect(page.get_by_text("gcn.png")).to_be_visible()
    page.get_by_role("button", name="Yêu cầu bổ sung").click()
    give_reason(page, "Giấy tờ không đọc được")
    expect(page.get_by_text("tạm dừng, chờ bổ sung")).to_be_visible()
    step(page, "Đã nhận bổ sung")
    expect(page.get_by_text("tạm dừng, chờ bổ sung")).to_have_count(0)

    open_box(page, "Đang giữ")
    tick(page, codes)
    page.get_by_role("button", name="Bàn giao", exact=True).click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Đơn vị nhận")).to_have_value(re.compile(r"\d+"))
    dialog.get_by_role("button", name="Bàn giao").click()
    expect(page.get_by_text("Đã bàn giao 5 hồ sơ, chờ đơn vị kia nhận.")).to_be_visible()
    page.get_by_role("button", name="Hoàn tác").click()
    expect(page.get_by_text("Đã thu hồi 5 hồ sơ.")).to_be_visible()

    page.get_by_role("button", name="Dán cột mã hồ sơ").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Mã hồ sơ, mỗi dòng một mã").fill("\n".join([*codes, "H99.41.01-010101-9999"]))
    dialog.get_by_role("button", name="Thử trước").click()
    expect(dialog.locator("tr.good")).to_have_count(5)
    expect(dialog.locator("tr.bad")).to_have_count(1)
    dialog.get_by_role("button", name="Bàn giao 5 hồ sơ").click()
    expect(page.get_by_text("Đã bàn giao 5 hồ sơ, chờ đơn vị kia nhận.")).to_be_visible()

    another(page, "duyet")
    open_box(page, "Chờ nhận")
    tick(page, codes)
    page.get_by_role("button", name="Nhận bàn giao").click()
    expect(page.get_by_text("Đã nhận 5 hồ sơ.")).to_be_visible()
    open_box(page, "Đang giữ")
    page.get_by_role("link", name=codes[1]).click()
    step(page, "Bắt đầu giải quyết")
    step(page, "Trình ký")
    address = page.url

    another(page, "lanhdao")
    page.goto(address)
    step(page, "Ký duyệt")
    page.get_by_label("Loại giấy tờ").select_option("RESULT")
    page.get_by_label("Tệp", exact=True).set_input_files(scan)
    page.get_by_role("button", name="Thêm giấy tờ").click()
    step(page, "Hoàn tất kết quả")
    page.get_by_role("button", name="Bàn giao", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Bàn giao").click()
    expect(page.get_by_text("Đã bàn giao 1 hồ sơ, chờ đơn vị kia nhận.")).to_be_visible()

    another(page, "motcua")
    page.goto(address)
    step(page, "Nhận bàn giao")
    page.get_by_role("button", name="Trả kết quả").click()
    page.get_by_role("dialog").get_by_role("button", name="Đồng ý").click()
    expect(page.get_by_text("xong đúng hạn")).to_be_visible()


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("width", [1280, 390])
def test_every_dossier_page_fits(visit: Visit, live_server: Site, language: str, width: int) -> None:
    """No page is wider than the screen, in either language; a picture of each is kept to be looked at."""
    page = visit(width=width)
    sign_in(page, "motcua")
    page.goto(f"{live_server.url}/language/{language}?next=/dossiers?box=all-known")
    first = page.locator("tbody th a").first.get_attribute("href")
    pages = {"boxes": "/dossiers?box=all-known", "work": "/", "new": "/dossiers/new", "one": first}
    PICTURES.mkdir(parents=True, exist_ok=True)
    for name, path in pages.items():
        page.goto(f"{live_server.url}{path}")
        page.wait_for_load_state("networkidle")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        page.screenshot(path=PICTURES / f"dossier-{name}-{language}-{width}.png", full_page=True)


def test_the_boxes_by_keyboard(visit: Visit) -> None:
    """``g h``, down a row, ``x``: a dossier is chosen without a mouse."""
    page = visit()
    sign_in(page, "motcua")
    page.locator("#content").focus()
    page.keyboard.press("g")
    page.keyboard.press("h")
    expect(page.get_by_role("heading", name="Hồ sơ", exact=True)).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("x")
    expect(page.get_by_text("Đã chọn 1 hồ sơ").first).to_be_visible()
