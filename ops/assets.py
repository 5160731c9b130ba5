"""Copies the browser's third-party files from ``node_modules`` into ``web/static/vendor``, where the pages find them.

No bundler: the packages ship native ES modules. No outside host: an office's network may be closed, so map, page and
fonts come from our own server. ``npm ci`` has checked the packages against the hashes of the lock before we copy.

Run by the set-up as ``python -m ops.assets``; needs nothing but Python's own library.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENDOR = ROOT / "web" / "static" / "vendor"

# The worker stands beside the map's module: a strict Content-Security-Policy allows workers of the same origin only.
COPIES = {
    "maplibre-gl": (
        "maplibre-gl",
        (
            "dist/maplibre-gl.mjs",
            "dist/maplibre-gl-worker.mjs",
            "dist/maplibre-gl.css",
            "LICENSE.txt",
        ),
    ),
    "htmx.org": ("htmx", ("dist/htmx.min.js", "dist/htmx.esm.js", "LICENSE")),
    "@fontsource/noto-sans": ("noto-sans", ("LICENSE",)),
}
FONT = "@fontsource/noto-sans"
# Vietnamese needs all three: base letters, đ ơ ư, and the letters with two marks.
SUBSETS = ("latin", "latin-ext", "vietnamese")
FACES = ((400, "normal"), (500, "normal"), (600, "normal"), (700, "normal"), (400, "italic"))


def copy_all(modules: Path, vendor: Path) -> int:
    """Builds ``vendor`` anew from ``modules`` (a ``node_modules`` folder) and tells how many files it holds.

    The folder appears whole or not at all: it is made beside its place and renamed.
    Raises: FileNotFoundError when a package lacks a file that the pages need.
    """
    draft = vendor.with_name(f"{vendor.name}.new")
    shutil.rmtree(draft, ignore_errors=True)
    for package, (folder, files) in COPIES.items():
        for file in files:
            _copy(modules / package / file, draft / folder)
    _copy_fonts(modules / FONT, draft / "noto-sans")
    (draft / "versions.json").write_text(json.dumps(_versions(modules), indent=2) + "\n", "utf-8")
    shutil.rmtree(vendor, ignore_errors=True)
    draft.rename(vendor)
    return sum(1 for path in vendor.rglob("*") if path.is_file())


def _copy(source: Path, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, folder / source.name)


def _copy_fonts(package: Path, folder: Path) -> None:
    """The woff2 files of each subset, and one style sheet by which the browser loads only the subsets a page uses."""
    ranges = json.loads((package / "unicode.json").read_text("utf-8"))
    rules = []
    for weight, style in FACES:
        for subset in SUBSETS:
            name = f"noto-sans-{subset}-{weight}-{style}.woff2"
            _copy(package / "files" / name, folder)
            rules.append(
                f"@font-face {{ font-family: 'Noto Sans'; font-style: {style}; font-weight: {weight};"
                f" font-display: swap; src: url('{name}') format('woff2'); unicode-range: {ranges[subset]}; }}\n"
            )
    (folder / "noto-sans.css").write_text("".join(rules), "utf-8")


def _versions(modules: Path) -> dict[str, str]:
    return {name: json.loads((modules / name / "package.json").read_text("utf-8"))["version"] for name in COPIES}


def main() -> int:
    """Copies from this tree's ``node_modules`` to this tree's ``web/static/vendor``."""
    try:
        copy_all(ROOT / "node_modules", VENDOR)
    except FileNotFoundError as missing:
        print(f"Thiếu tệp của trình duyệt / a browser file is missing: {missing.filename}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
