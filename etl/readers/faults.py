"""What can be wrong with a file as a whole: one class per code, so that a fault survives the way out of the child.

A fault of a single row is never raised: it is an issue with file, layer and row. Everything here means that the file,
or the layer asked for, cannot be read at all.
"""

from __future__ import annotations

from typing import Any

from landdb.errors import Invalid, LandError, NotFound, TooLarge, Unavailable, UnsupportedFormat


class FileMissing(NotFound):
    code = "file.not_found"


class FileEmpty(Invalid):
    code = "file.empty"


class FormatNotSupported(UnsupportedFormat):
    code = "file.unsupported_format"


class DrawingNotSupported(UnsupportedFormat):
    code = "file.drawing_not_supported"


class Disguised(UnsupportedFormat):
    code = "file.disguised"


class UnsafeContent(UnsupportedFormat):
    code = "file.unsafe_content"


class Truncated(Invalid):
    code = "file.truncated"


class Damaged(Invalid):
    code = "file.damaged"


class PartMissing(Invalid):
    code = "file.part_missing"


class SeveralLayers(Invalid):
    code = "file.several_layers"


class LayerUnknown(NotFound):
    code = "file.layer_unknown"


class NoPolygons(Invalid):
    code = "file.no_polygons"


class NoRows(Invalid):
    code = "file.no_rows"


class FileTooLarge(TooLarge):
    code = "file.too_large"


class ZipUnsafe(Invalid):
    code = "file.zip_unsafe"


class ZipBroken(Invalid):
    code = "file.zip_broken"


class CountsDiffer(Invalid):
    code = "file.counts_differ"


class ReaderDied(Unavailable):
    code = "file.reader_died"


_BY_CODE: dict[str, type[LandError]] = {
    fault.code: fault
    for fault in (
        FileMissing,
        FileEmpty,
        FormatNotSupported,
        DrawingNotSupported,
        Disguised,
        UnsafeContent,
        Truncated,
        Damaged,
        PartMissing,
        SeveralLayers,
        LayerUnknown,
        NoPolygons,
        NoRows,
        FileTooLarge,
        ZipUnsafe,
        ZipBroken,
        CountsDiffer,
        ReaderDied,
    )
}


def fault_from(code: str, params: dict[str, Any]) -> LandError:
    """The fault that the child process met; a code unknown here can only mean a child of another version."""
    known = _BY_CODE.get(code)
    return known(**params) if known else ReaderDied(reason=code)
