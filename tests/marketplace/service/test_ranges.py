"""A Range header means what RFC 9110 says, or nothing."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.service.answers import byte_range
from marketplace.service.problems import ProblemError


@given(st.integers(1, 1000), st.integers(0, 1200), st.integers(0, 1200))
def test_agrees_with_slices(size, first, last):
    """The bytes are those of a Python slice, cut at the file's end."""
    data = bytes(size % 251 for size in range(size))
    if first >= size and first <= last:
        with pytest.raises(ProblemError) as caught:
            byte_range(f"bytes={first}-{last}", size)
        assert caught.value.headers["Content-Range"] == f"bytes */{size}"
        return
    part = byte_range(f"bytes={first}-{last}", size)
    if first > last:
        assert part is None
    else:
        assert data[part.start : part.end] == data[first : last + 1]


@given(st.integers(1, 1000), st.integers(1, 1200))
def test_suffix_is_the_end_of_the_file(size, n_bytes):
    """bytes=-5 are the last five, or all there are."""
    part = byte_range(f"bytes=-{n_bytes}", size)
    assert part.end == size and part.n_bytes == min(size, n_bytes)


@pytest.mark.parametrize("header", [None, "", "items=0-1", "bytes=0-1,3-4", "bytes=-", "bytes=a-b"])
def test_what_is_not_understood_is_ignored(header):
    """The whole file is then the right answer."""
    assert byte_range(header, 10) is None
