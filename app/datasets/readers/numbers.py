"""Texts that are numbers: which formats people write them in, and which of these is meant in one column. Pure.

A column has one decimal mark. Under a decimal POINT groups of three digits may be parted by commas, under a decimal
COMMA by points, under both by spaces or apostrophes; commas may also part them as in India (12,34,567). The mark under
which more cells are numbers is the column's; where both read all cells, and differently, the column is ambiguous unless
something else tells (see ``_grouped``). A sign may be a Unicode minus, and a minus may stand behind; brackets mean a
negative number, a currency's sign or usual letters are dropped, and a per cent sign divides by 100 where all numbers
have one. Digits may be those of any script. Nothing is guessed beyond that: what does not fit is left to the caller to
name.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.readers.exact import LARGEST

POINT, COMMA = "point", "comma"
CURRENCIES = "$€£¥₹₩₽₺₫₪฿"
_SPACES = " \u00a0\u202f\u2009"
_MINUS = "\u2212"
# marks of other scripts: Arabic decimal and thousands marks, and full-width ones
_SIGNS = {"٫": ".", "٬": ",", "，": ",", "．": ".", "％": "%", "－": "-", "＋": "+", "（": "(", "）": ")"}
_EXPONENT = r"(?:[eE][+-]?\d+)?"


def _pattern(group: str, mark: str) -> re.Pattern[str]:
    parted = "|".join(rf"[1-9]\d{{0,2}}(?:[{sign}]\d{{3}})+" for sign in (group, _SPACES, "'’"))
    if group == ",":
        parted += r"|[1-9]\d?(?:,\d{2})+,\d{3}"
    return re.compile(rf"(?P<whole>{parted}|\d+)?(?:{mark}(?P<part>\d*))?(?P<power>{_EXPONENT})")


_PATTERNS = {POINT: _pattern(",", r"\."), COMMA: _pattern(r"\.", ",")}
# currencies as people write them in letters, before or after a number; others are no numbers, and that is said
_LETTERS = (
    "USD", "EUR", "GBP", "CHF", "JPY", "CNY", "RMB", "INR", "BRL", "NOK", "SEK", "DKK", "PLN", "CZK", "HUF", "CAD",
    "AUD", "R$", "US$", "kr", "zł", "Kč", "Ft", "Rs", "Rs.", "lei", "元", "円", "원",
)  # fmt: skip
_MONEY = "|".join(re.escape(each) for each in sorted(_LETTERS, key=len, reverse=True))
_CURRENCY = re.compile(rf"(?:{_MONEY})|[{CURRENCIES}]")
# a whole number that begins with zeros is a code: a postcode, a telephone number
_CODE = re.compile(r"[+-]?0\d+")
# what may be a number in some format; checked by a fast engine before anything is read one by one
_BEFORE = rf"(?:[\s(+\-{_MINUS}{CURRENCIES}{_SPACES}]|{_MONEY})*"
MAYBE = rf"^{_BEFORE}[.,]?\p{{Nd}}[\p{{Nd}}.,٫٬，．'’eE+\-{_MINUS}\s{_SPACES}{CURRENCIES}%％)]*(?:{_MONEY})?[\s)]*$"


@dataclass(frozen=True)
class Cell:
    """One text under one decimal mark: its value (None: no number), and the signs beside it."""

    value: float | None
    currency: str = ""
    percent: bool = False
    negative_brackets: bool = False
    minus_behind: bool = False
    grouped: bool = False
    whole: bool = False


@dataclass(frozen=True)
class Numbers:
    """``values`` for each text (None: it does not fit), whether all are whole numbers, what was noticed of the format
    (empty: they are written as programs do), whether the column can be read in two ways, and whether it holds whole
    numbers that begin with zeros or are too long to be kept as one: codes."""

    values: tuple[float | None, ...]
    whole: bool
    formats: tuple[str, ...]
    ambiguous: bool = False
    codes: bool = False


def read_cell(text: str, mark: str) -> Cell:
    """One trimmed text as a number under a decimal mark."""
    body, brackets = text, False
    if body.startswith("(") and body.endswith(")"):
        body, brackets = body[1:-1].strip(_SPACES), True
    negative = brackets
    signs = _CURRENCY.findall(body)
    body = _CURRENCY.sub("", body).strip(_SPACES)
    if body[:1] in ("-", "+", _MINUS):
        negative = negative != (body[0] != "+")
        body = _CURRENCY.sub("", body[1:]).strip(_SPACES)
    behind = body[-1:] in ("-", _MINUS) and body[:1].isdecimal() and not brackets
    if behind:
        negative, body = not negative, body[:-1].strip(_SPACES)
    percent = body.endswith("%")
    body = body.removesuffix("%").strip(_SPACES)
    match = _PATTERNS[mark].fullmatch(body)
    if match is None or len(signs) > 1:
        return Cell(None)
    whole, part, power = match.group("whole", "part", "power")
    if not (whole or part):
        return Cell(None)
    digits = re.sub(r"\D", "", whole or "")
    value = float(f"{digits or 0}.{part or 0}{power}")
    return Cell(
        value=-value if negative else value,
        currency="".join(signs),
        percent=percent,
        negative_brackets=brackets,
        minus_behind=behind,
        grouped=whole is not None and not whole.isdecimal(),
        whole=not part and not power,
    )


def _ascii(text: str) -> str:
    """The text with digits and marks of other scripts as those of this one."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(sign)) if sign.isdecimal() else _SIGNS.get(sign, sign) for sign in text)


def read_numbers(texts: Sequence[str], counts: Sequence[int], mark: str | None = None) -> Numbers:
    """The distinct texts of one column, each with how many cells hold it; ``mark`` is the decimal mark, if declared."""
    foreign = any(sign.isdecimal() and not sign.isascii() for text in texts for sign in text)
    texts = [_ascii(text) for text in texts]
    by_mark = {each: [read_cell(text, each) for text in texts] for each in ((mark,) if mark else (POINT, COMMA))}
    weight = {each: _weight(cells, counts) for each, cells in by_mark.items()}
    chosen = mark or (COMMA if weight[COMMA] > weight[POINT] else POINT)
    ambiguous = mark is None and weight[COMMA] == weight[POINT] > 0 and _differ(by_mark)
    if ambiguous and not any("," in text and _CURRENCY.search(text) is None for text in texts):
        # without commas these are programs' numbers, and a sign of money goes with groups
        ambiguous = False
    if ambiguous and _grouped(by_mark[POINT], texts):
        ambiguous = False
    cells = _same_signs(by_mark[chosen], counts)
    return Numbers(
        values=tuple(cell.value if not cell.percent or cell.value is None else cell.value / 100 for cell in cells),
        whole=all(cell.whole and not cell.percent for cell in cells if cell.value is not None),
        formats=(*_formats(cells, chosen), *(["digits of another script"] if foreign else [])),
        ambiguous=ambiguous,
        codes=any(_CODE.fullmatch(text) for text in texts)
        or any(cell.whole and cell.value is not None and abs(cell.value) >= LARGEST for cell in cells),
    )


def _weight(cells: Sequence[Cell], counts: Sequence[int]) -> int:
    return sum(count for cell, count in zip(cells, counts, strict=True) if cell.value is not None)


def _differ(by_mark: dict[str, list[Cell]]) -> bool:
    pairs = zip(by_mark[POINT], by_mark[COMMA], strict=True)
    return any(point.value != comma.value for point, comma in pairs)


def _grouped(cells: Sequence[Cell], texts: Sequence[str]) -> bool:
    """Whether commas part groups although each could be a decimal mark: smaller numbers have none, larger all do."""
    plain = [cell.value for cell, text in zip(cells, texts, strict=True) if cell.value is not None and "," not in text]
    return bool(plain) and all(abs(value) < 1000 for value in plain)


def _same_signs(cells: Sequence[Cell], counts: Sequence[int]) -> list[Cell]:
    """The cells without those whose sign (per cent or not, which currency) is another than most numbers have."""
    percent: Counter[bool] = Counter()
    currency: Counter[str] = Counter()
    for cell, count in zip(cells, counts, strict=True):
        if cell.value is not None:
            percent[cell.percent] += count
            currency[cell.currency] += count
    usual = percent[True] > percent[False]
    signs = sorted((sign for sign in currency if sign), key=lambda sign: (-currency[sign], sign))
    known = {"", *signs[:1]}
    return [cell if cell.percent == usual and cell.currency in known else Cell(None) for cell in cells]


def _formats(cells: Sequence[Cell], mark: str) -> tuple[str, ...]:
    numbers = [cell for cell in cells if cell.value is not None]
    findings = []
    if mark == COMMA and any(not cell.whole for cell in numbers):
        findings.append("a decimal comma")
    if any(cell.grouped for cell in numbers):
        findings.append("groups of three digits")
    if any(cell.currency for cell in numbers):
        findings.append("a currency sign, which is dropped")
    if any(cell.percent for cell in numbers):
        findings.append("per cent, divided by 100")
    if any(cell.negative_brackets for cell in numbers):
        findings.append("brackets, read as minus")
    if any(cell.minus_behind for cell in numbers):
        findings.append("a minus behind them")
    return tuple(findings)
