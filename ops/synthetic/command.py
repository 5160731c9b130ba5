"""`landdb synthetic`: writes a made-up province, with faults and their answer key if asked."""

from collections.abc import Sequence
from pathlib import Path

from .files import ENCODINGS, FORMATS, Manifest, Progress, Wanted, write_files
from .province import make_province


def quiet(_what: str, _done: int, _total: int) -> None:
    """No progress shown."""


def write_province(  # one plain argument per option of the command
    out: Path,
    parcels: int,
    seed: int,
    formats: Sequence[str] = ("gpkg", "shp"),
    faults: float = 0.0,
    encoding: str = "tcvn3",
    progress: Progress = quiet,
    *,
    single_file: bool = False,
    later: int = 1,
) -> Manifest:
    """Write a province of `parcels` parcels into the folder `out`: one file per commune and format.

    `faults` is the share of rows that get one fault each, in files already written; the key is `answers.json`.
    `encoding` is that of Shapefiles: "tcvn3", "vni" or "utf-8". `single_file` writes one big file per format.
    `later` communes also get a file of their state some years on.

    Raises ValueError for an unknown format or encoding, or fewer than 80 parcels.
    """
    check_choices(formats, encoding, faults)
    progress("drawing", 0, parcels)
    province = make_province(parcels, seed)
    progress("drawing", parcels, parcels)
    wanted = Wanted(formats, encoding, single_file=single_file, text_numbers=faults > 0, later=later)
    manifest = write_files(province, out, wanted, progress)
    if faults > 0:
        from .faults import put_faults

        manifest.answers = "answers.json"
        manifest.write(out)
        put_faults(out, faults, seed, progress)
    manifest.write(out)
    return manifest


def check_choices(formats: Sequence[str], encoding: str, faults: float) -> None:
    unknown = sorted(set(formats) - set(FORMATS))
    if unknown or not formats:
        raise ValueError(f"unknown format {', '.join(unknown)}; known: {', '.join(FORMATS)}")
    if encoding not in ENCODINGS:
        raise ValueError(f"unknown encoding {encoding}; known: {', '.join(ENCODINGS)}")
    if not 0 <= faults <= 0.1:
        raise ValueError("the share of faults lies between 0 and 0.1")
