"""Numbers from text: exact to the last bit, whatever the separator, or an error that names the line."""

import random
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siamrcr import parsing
from siamrcr.errors import InputError

DECIMAL = st.one_of(
    st.from_regex(r"\A-?[0-9]{1,20}\Z"),
    st.from_regex(r"\A-?[0-9]{0,18}\.[0-9]{1,18}\Z"),
    st.from_regex(r"\A-?[0-9]{1,18}\.\Z"),
    st.floats(allow_nan=False).map(repr),
)


@given(st.lists(DECIMAL, min_size=1, max_size=8))
def test_numbers_are_the_nearest_doubles(tokens: list[str]) -> None:
    values, counts = parsing.numbers(" ".join(tokens).encode(), "f")
    assert counts.tolist() == [len(tokens)]
    assert values.tobytes() == np.array([float(token) for token in tokens]).tobytes()


def test_short_decimals_of_every_shape_are_exact() -> None:
    generator = random.Random(0)
    tokens = [f"{generator.uniform(-9999, 9999):.{generator.randrange(11)}f}" for _ in range(20_000)]
    tokens += ["-0", "-0.00", "0.1", ".5", "5.", "-.5", "9007199254740993", "999999999999999.9", "0.00000000000001"]
    values, _ = parsing.numbers("\n".join(tokens).encode(), "f")
    assert values.tobytes() == np.array([float(token) for token in tokens]).tobytes()


@pytest.mark.parametrize(
    "text",
    [
        b"1,2\n3,4\n5,6\n",
        b"1,2\r\n3,4\r\n5,6\r\n",
        b"1,2\r3,4\r5,6\r",
        b"\xef\xbb\xbf1,2\n3,4\n5,6",
        "1,2\n3,4\n5,6\n".encode("utf-16"),
        "1,2\n3,4\n5,6\n".encode("utf-16-be").join([b"\xfe\xff", b""]),
        b"1\t2 \n 3;4\n5 , 6\n\n \n",
        b"1.0,2,\n+3,4e0,\n5.,0.6E1,\n",
    ],
)
def test_separators_line_ends_and_byte_order_marks(text: bytes) -> None:
    values, counts = parsing.numbers(text, "f")
    assert values.tolist() == [1, 2, 3, 4, 5, 6]
    assert counts.tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"1,2\n3,x", 2),
        (b"1,2\n3,,4", 2),
        (b"1, ,2", 1),
        (b",1,2", 1),
        (b"1,2\n ;3,4", 2),
        (b"1-2 .", 1),
        (b"- 1-2", 1),
        (b"1..2 3", 1),
        (b". 1.2.3", 1),
        (b"1_000", 1),
        (b"0x10", 1),
        (b"1+2i", 1),
        (b"1\x002", 1),
        (b"1\n2\n\xff", 3),
        ("1\u0660".encode(), 1),
        (b"m0,0,4,4,1", 1),
    ],
)
def test_what_is_no_number_is_named_with_its_line(text: bytes, line: int) -> None:
    with pytest.raises(InputError, match=rf"^f: line {line} is not numbers: "):
        parsing.numbers(text, "f")


def test_not_a_number_and_infinities_are_numbers() -> None:
    values, _ = parsing.numbers(b"NaN nan -nan Inf -inf infinity", "f")
    assert np.isnan(values[:3]).all()
    assert values[3:].tolist() == [np.inf, -np.inf, np.inf]


def test_an_empty_text_has_no_numbers() -> None:
    for text in (b"", b"\n \r\n", b"\xef\xbb\xbf"):
        values, counts = parsing.numbers(text, "f")
        assert (len(values), counts.tolist()) == (0, [0])


def test_complex_numbers_become_unknown_and_real_ones_stay() -> None:
    text = b"1+2i,3,4i,-5.5\n1.5e3-2.5e-1j;2+0i;inf,nan\n"
    values, counts = parsing.numbers(parsing.without_complex(text), "f")
    assert counts.tolist() == [4, 4]
    np.testing.assert_array_equal(values, [np.nan, 3, np.nan, -5.5, np.nan, 2, np.inf, np.nan])
    assert parsing.without_complex(b"i,1ii,info\n") == b"i,1ii,info\n"


def test_a_column_knows_its_lines() -> None:
    values, counts = parsing.numbers(b"\n0.5 1\n0.25\n", "f")
    np.testing.assert_array_equal(parsing.column(values, counts, 0, 4), [np.nan, 0.5, 0.25, np.nan])
    np.testing.assert_array_equal(parsing.column(values, counts, 1, 2), [np.nan, 1])


def test_a_whole_benchmark_is_parsed_in_a_moment() -> None:
    line = b"".join(b"%d.%04d,%d.5,100,80\n" % (k % 1000, k % 10_000, k % 700) for k in range(2000))
    start = time.process_time()
    for _ in range(340):  # as many lines as LaSOT has frames
        parsing.numbers(line, "f")
    assert time.process_time() - start < 1.5
