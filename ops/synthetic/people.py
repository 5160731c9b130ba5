"""Invented people, organisations and papers: nobody's name with nobody's number.

Identity numbers begin with 000: a citizen's number begins with 0 and the two-digit province code of birth
registration, provinces are 01–96, so no person was ever given 000. Source: Decree 137/2015/NĐ-CP art. 13 (12 digits,
province, century and sex, year, six at random) and the list of provinces. Business numbers begin with 00 by the same
reasoning (the first two digits are the province that issued it) [unverified].

Certificate serials follow the four generations of forms (1 letter + 6 digits, A?/B?–D? + 6 digits, 2 letters + 8
digits from 2025). Their letters are late in the alphabet, outside the series that we have seen issued [unverified].
Register numbers use CT, CH, VP, CN. Source: Circular 10/2024/TT-BTNMT art. 15, 38.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .columns import Column, pa, pc

Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]

SURNAMES = [
    "Nguyễn",
    "Trần",
    "Lê",
    "Phạm",
    "Huỳnh",
    "Phan",
    "Võ",
    "Đặng",
    "Bùi",
    "Đỗ",
    "Hồ",
    "Ngô",
    "Dương",
    "Lý",
    "Trương",
    "Lâm",
    "Thạch",
    "Sơn",
    "Danh",
    "Kim",
    "Châu",
    "Liêu",
    "Quách",
    "Tăng",
    "Mai",
]
MALE_MIDDLE = ["Văn", "Hữu", "Minh", "Quốc", "Thanh", "Hoàng", "Công", "Thành", "Đức", "Trung"]
FEMALE_MIDDLE = ["Thị", "Ngọc", "Kim", "Mỹ", "Thúy", "Hồng", "Thu", "Bích", "Tuyết"]
MALE_GIVEN = [
    "An",
    "Bình",
    "Cường",
    "Dũng",
    "Đạt",
    "Giàu",
    "Hải",
    "Hiền",
    "Hòa",
    "Hùng",
    "Khánh",
    "Lâm",
    "Lộc",
    "Long",
    "Mẫn",
    "Nam",
    "Nghĩa",
    "Nhựt",
    "Phúc",
    "Phước",
    "Quân",
    "Sang",
    "Sơn",
    "Tài",
    "Tâm",
    "Thắng",
    "Thuận",
    "Tiến",
    "Toàn",
    "Trí",
    "Tú",
    "Tuấn",
    "Việt",
    "Xuyên",
    "Ẩn",
]
FEMALE_GIVEN = [
    "Ánh",
    "Bé",
    "Cúc",
    "Diễm",
    "Đào",
    "Giang",
    "Hà",
    "Hạnh",
    "Hiền",
    "Hoa",
    "Hương",
    "Lan",
    "Liên",
    "Linh",
    "Loan",
    "Mai",
    "Nga",
    "Ngân",
    "Nhung",
    "Oanh",
    "Phượng",
    "Quyên",
    "Sương",
    "Thảo",
    "Thơ",
    "Thủy",
    "Trang",
    "Trinh",
    "Tuyền",
    "Út",
    "Uyên",
    "Vân",
    "Xuân",
    "Yến",
]
COMPANY_WORDS = [
    "Mộng Tân",
    "Sông Ảo",
    "Phương Giả",
    "Bốn Mùa Giả",
    "Hạt Ngọc Ảo",
    "Cửu Mộng",
    "Đồng Xanh Giả",
    "Thuận Ảo",
]
HAMLETS = [
    "Hòa Giả",
    "Tân Mộng",
    "Bưng Ảo",
    "Kinh Giữa",
    "Rạch Mộng",
    "Xẻo Giả",
    "Vàm Ảo",
    "Giồng Mộng",
    "Cái Giả",
    "Thạnh Ảo",
]

LATE_SERIES = {
    "1993": ["W", "X", "Y", "Z"],
    "2003": ["AW", "AX", "AY", "AZ"],
    "2009": ["DW", "DX", "DY", "DZ"],
    "2025": ["ZY", "ZZ"],
}
FORM_SHARE = {"1993": 0.12, "2003": 0.23, "2009": 0.55, "2025": 0.10}
FORM_YEARS = {
    "1993": ("1994-03-01", "2004-11-01"),
    "2003": ("2004-12-01", "2009-12-01"),
    "2009": ("2009-12-15", "2024-12-20"),
    "2025": ("2025-01-06", "2025-06-25"),
}
REGISTER_PREFIX = {"1993": "", "2003": "CH", "2009": "CH", "2025": "CN"}


@dataclass(frozen=True)
class Holders:
    """Who the file says holds each parcel: columns of equal length, null = not given."""

    name: Column
    identity: Column
    holder_class: Column


@dataclass(frozen=True)
class Papers:
    """Certificates as a legacy file names them; null where none was issued."""

    serial: Column
    register_no: Column
    issued_on: Column


def pick(words: list[str], rng: np.random.Generator, size: int) -> Column:
    """Words at random, those early in the list more often."""
    at = (rng.random(size) ** 1.6 * len(words)).astype(np.int64)
    return pa.array(words).take(pa.array(at))


def join(*pieces: Column | str) -> Column:
    return pc.binary_join_element_wise(*pieces, "")


def number(values: Ints, digits: int) -> Column:
    """Whole numbers as text with leading zeros."""
    return pc.utf8_lpad(pa.array(values).cast(pa.string()), digits, "0")


def people(rng: np.random.Generator, size: int, *, male: bool) -> Column:
    middle, given = (MALE_MIDDLE, MALE_GIVEN) if male else (FEMALE_MIDDLE, FEMALE_GIVEN)
    return join(pick(SURNAMES, rng, size), " ", pick(middle, rng, size), " ", pick(given, rng, size))


def holders(organisation: Column, organisation_class: Column, rng: np.random.Generator) -> Holders:
    """Persons, couples and households; where `organisation` is given, that body instead."""
    size = len(organisation)
    man, woman = people(rng, size, male=True), people(rng, size, male=False)
    kind = rng.random(size)
    name = pc.if_else(pa.array(kind < 0.30), man, woman)
    couple = join("ông ", man, " và bà ", woman)
    name = pc.if_else(pa.array((kind >= 0.45) & (kind < 0.80)), couple, name)
    name = pc.if_else(pa.array(kind >= 0.80), join("Hộ ông ", man), name)
    private = pc.is_null(organisation)
    known = pa.array(rng.random(size) < 0.85)
    personal = join("000", number(rng.integers(0, 4, size), 1), number(rng.integers(0, 100, size), 2),
                    number(rng.permutation(max(size, 1_000_000))[:size], 6))  # fmt: skip
    business = join("00", number(rng.integers(0, 10**8, size), 8))
    identity = pc.if_else(known, pc.if_else(private, personal, business), pa.scalar(None, pa.string()))
    return Holders(pc.coalesce(organisation, name), identity, pc.coalesce(organisation_class, pa.scalar("CNV")))


def papers(rng: np.random.Generator, size: int, *, share: float = 0.72) -> Papers:
    """Certificates for a share of the parcels; every serial occurs once."""
    forms = list(LATE_SERIES)
    form = rng.choice(len(forms), size, p=list(FORM_SHARE.values()))
    form = np.where(rng.random(size) < share, form, -1)
    serial = np.full(size, None, dtype=object)
    register = np.full(size, None, dtype=object)
    issued = np.full(size, "NaT", dtype="datetime64[D]")
    for k, name in enumerate(forms):
        rows = np.flatnonzero(form == k)
        serial[rows] = serials(name, len(rows))
        register[rows] = register_numbers(name, rng.integers(1, 99_999, len(rows)))
        first, last = (np.datetime64(day) for day in FORM_YEARS[name])
        issued[rows] = first + rng.integers(0, int((last - first).astype(int)), len(rows))
    return Papers(pa.array(serial, pa.string()), pa.array(register, pa.string()), pa.array(issued))


def serials(form: str, size: int) -> list[str]:
    """Serials of one generation, scattered but never twice (a full-period step through the numbers)."""
    digits = 8 if form == "2025" else 6
    period = 10**digits
    k = np.arange(size)
    if size > period * len(LATE_SERIES[form]):
        raise ValueError(f"no more serials of the {form} form")
    figures = number((k % period * 387_420_489 + 104_729) % period, digits)
    letters = pa.array(LATE_SERIES[form]).take(pa.array(k // period))
    return list(join(letters, " ", figures).to_pylist())


def register_numbers(form: str, values: Ints) -> list[str]:
    prefix = REGISTER_PREFIX[form]
    figures = number(values, 5)
    return list((join(prefix + " ", figures) if prefix else figures).to_pylist())
