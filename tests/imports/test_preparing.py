"""Chunks are prepared in a process of their own, which may end without taking others with it."""

import os
import signal
from collections.abc import Iterator, Sequence

import pytest

from imports.engine.preparing import Preparer
from imports.engine.records import Chunk, ImportFailure, Prepared
from tests.imports.chunks import make_chunk


def tell_process(chunk: Chunk, header: Sequence[str]) -> Prepared:
    if chunk.data == b"kill\n":
        os.kill(os.getpid(), signal.SIGKILL)
    if chunk.data == b"fail\n":
        raise LookupError("nothing there")
    return Prepared([(os.getpid(), chunk.data, *header)], [])


@pytest.fixture
def preparer() -> Iterator[Preparer]:
    preparer = Preparer(tell_process)
    yield preparer
    preparer.close()


def find_process(preparer: Preparer) -> int:
    [(pid, *_)] = preparer.run(make_chunk(b"a\n", seq=1), ["x"]).rows
    return int(pid)


def test_first_chunk_is_prepared_here_and_the_others_by_one_process(preparer: Preparer) -> None:
    first = preparer.run(make_chunk(b"a\n"), ["x"])
    second = preparer.run(make_chunk(b"b\n", seq=1), ["x"])

    assert first.rows == [(os.getpid(), b"a\n", "x")]
    [(pid, *others)] = second.rows
    assert pid != os.getpid()
    assert others == [b"b\n", "x"]
    assert find_process(preparer) == pid


def test_failure_is_told_and_the_process_goes_on(
    preparer: Preparer, capfd: pytest.CaptureFixture[str]
) -> None:
    pid = find_process(preparer)

    with pytest.raises(ImportFailure, match="LookupError: nothing there") as caught:
        preparer.run(make_chunk(b"fail\n", seq=2, byte_start=500), ["x"])

    assert caught.value.code == "internal_error"
    assert "bytes 500 to 505" in caught.value.detail
    assert "Traceback" in capfd.readouterr().err
    assert find_process(preparer) == pid


def test_chunk_that_ends_the_process_is_named_and_the_next_has_a_new_one(
    preparer: Preparer,
) -> None:
    pid = find_process(preparer)

    with pytest.raises(ImportFailure, match=r"bytes 500 to 505 .*ended, twice"):
        preparer.run(make_chunk(b"kill\n", seq=2, byte_start=500), ["x"])

    assert find_process(preparer) != pid


def test_process_does_not_outlive_whoever_started_it(preparer: Preparer) -> None:
    pid = find_process(preparer)
    process = preparer._process
    assert process
    assert process.stdin

    os.kill(pid, signal.SIGTERM)  # as a group is told to stop: not its business
    assert find_process(preparer) == pid
    # A copy of the pipe's end would keep it open: there is none.
    process.communicate(timeout=10)

    assert process.returncode == 0
    preparer._process = None


def test_chunk_is_prepared_again_where_somebody_ended_the_process(preparer: Preparer) -> None:
    pid = find_process(preparer)
    os.kill(pid, signal.SIGKILL)

    assert find_process(preparer) != pid
