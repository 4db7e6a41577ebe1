"""Warnings are dropped in the thread that decodes and nowhere else."""

import threading
import warnings

import pytest

from chaffinch.compute.quiet import no_warnings


def test_no_warnings__drops_them_even_where_they_are_errors() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with no_warnings(), no_warnings():
            warnings.warn("inside", stacklevel=1)
        with pytest.raises(UserWarning, match="outside"):
            warnings.warn("outside", stacklevel=1)


def test_no_warnings__other_threads_keep_theirs() -> None:
    inside, done = threading.Event(), threading.Event()

    def decode() -> None:
        with no_warnings():
            inside.set()
            done.wait(10)

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        thread = threading.Thread(target=decode)
        thread.start()
        assert inside.wait(10)
        warnings.warn("mine", stacklevel=1)
        done.set()
        thread.join()
    assert [str(w.message) for w in caught] == ["mine"]


def test_no_warnings__ends_with_an_exception() -> None:
    with warnings.catch_warnings(), pytest.raises(UserWarning, match="after"):
        warnings.simplefilter("error")
        with pytest.raises(KeyError), no_warnings():
            raise KeyError
        warnings.warn("after", stacklevel=1)
