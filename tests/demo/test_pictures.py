"""The sizes of attached images."""

import base64
import struct

import pytest

from chat.demo.pictures import Picture, picture_of_base64, picture_of_url

PNG = b"\x89PNG\r\n\x1a\n" + struct.pack(">I4sII", 13, b"IHDR", 640, 480) + bytes(20)
GIF = b"GIF89a" + struct.pack("<HH", 320, 200) + bytes(20)
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF"
    + bytes(10)
    + b"\xff\xc0\x00\x11\x08"
    + struct.pack(">HH", 90, 160)
    + bytes(20)
)


@pytest.mark.parametrize(("data", "size"), [(PNG, (640, 480)), (GIF, (320, 200)), (JPEG, (160, 90))])
def test_the_size_stands_in_the_head_of_the_file(data, size):
    encoded = base64.b64encode(data).decode()
    assert picture_of_base64(encoded).size == size
    assert picture_of_url(f"data:image/png;base64,{encoded}").size == size


@pytest.mark.parametrize("data", [b"", b"RIFFxxxxWEBP", PNG[:10], JPEG[:8], b"\xff\xd8" + bytes(50)])
def test_what_cannot_be_read_has_no_size(data):
    assert picture_of_base64(base64.b64encode(data).decode()).size is None


@pytest.mark.parametrize("text", ["!!!!", "a", "ä"])
def test_what_is_no_base64_has_no_size(text):
    assert picture_of_base64(text).size is None


def test_the_box_is_the_middle_half():
    assert Picture((640, 480)).box == (160, 120, 480, 360)
    assert picture_of_url("https://example.com/a.png").box == (250, 250, 750, 750)
