"""Names and types as they come from tools and people, and what is made of them."""

import pytest

from chat.attachments.names import ANY_TYPE, NAME_BYTES, NAME_CHARACTERS, clean_name, clean_type


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("report-2026-11-30.csv", "report-2026-11-30.csv"),
        ("报告 2026.csv", "报告 2026.csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Windows\\win.ini", "win.ini"),
        ("a\r\nSet-Cookie: b.csv", "aSet-Cookie_ b.csv"),
        ("bill\u202efdp.exe", "billfdp.exe"),
        (".profile", "profile"),
        ("  much   room  .txt ", "much room.txt"),
        ('who "is" <this>?', "who _is_ _this__"),
        ("nul", "_nul"),
        ("COM1.txt", "_COM1.txt"),
        ("console.txt", "console.txt"),
        ("half of an emoji \ud83d.txt", "half of an emoji.txt"),
        ("نامه\u200cها.txt", "نامه\u200cها.txt"),
        ("e\u0301te.txt", "\u00e9te.txt"),
        ("", "file"),
        ("..", "file"),
        ("folder/", "file"),
        ("\0", "file"),
    ],
)
def test_a_name_is_one_that_every_disk_takes_and_every_reader_sees(given: str, clean: str):
    assert clean_name(given) == clean


@pytest.mark.parametrize("sign", ["x", "报", "😀"])
def test_a_long_name_keeps_its_end(sign: str):
    name = clean_name(sign * 500 + ".csv")
    assert name.startswith(sign)
    assert name.endswith(f"{sign}.csv")
    assert len(name) <= NAME_CHARACTERS
    assert len(name.encode()) <= NAME_BYTES


def test_an_end_that_is_too_long_is_none():
    assert len(clean_name("a." + "b" * 500)) == NAME_CHARACTERS


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("text/csv", "text/csv"),
        ("Text/CSV; charset=utf-8", "text/csv"),
        ("image/svg+xml", "image/svg+xml"),
        ("text", ANY_TYPE),
        ("text/csv\r\nX: y", ANY_TYPE),
        ("text/" + "x" * 100, ANY_TYPE),
        ("", ANY_TYPE),
    ],
)
def test_a_type_that_is_none_is_just_bytes(given: str, clean: str):
    assert clean_type(given) == clean
