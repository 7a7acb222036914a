"""A dataset's `prepare` in a process of its own: threads would take turns at Python's lock.

    python -m imports.engine.preparing

reads pickled tasks from its standard input and writes what came of them to its standard output,
until nobody writes any more: it does not outlive whoever started it.
"""

import os
import pickle
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, cast

from imports.engine.records import Chunk, ImportFailure, Prepared

ROOT = Path(__file__).resolve().parents[2]
Prepare = Callable[[Chunk, Sequence[str]], Prepared]


class Preparer:
    """Runs `prepare`, a function of a module, which both processes import by its name.

    The first chunk of a file is prepared right here: most files have no other, and a process takes
    longer to start.
    """

    def __init__(self, prepare: Prepare) -> None:
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None

    def run(self, chunk: Chunk, header: Sequence[str]) -> Prepared:
        """Raises ImportFailure `internal_error` where `prepare` fails, or ends its process twice:
        once may have been for want of memory, or somebody's kill."""
        if self._process is None and chunk.seq == 0:
            return self._prepare(chunk, header)
        task = (self._prepare, chunk, header)
        outcome = self._ask(task) or self._ask(task)
        if isinstance(outcome, Prepared):
            return outcome
        detail = outcome or "their process was ended, twice"
        place = f"bytes {chunk.byte_start} to {chunk.byte_end}"
        raise ImportFailure("internal_error", f"{place} could not be prepared: {detail}")

    def _ask(self, task: object) -> Prepared | str | None:
        """What became of it, or why it failed; None where the process ended."""
        process = self._process = self._process or _start()
        sender, receiver = cast(IO[bytes], process.stdin), cast(IO[bytes], process.stdout)
        try:
            pickle.dump(task, sender)
            sender.flush()
            return cast(Prepared | str, pickle.load(receiver))  # noqa: S301 (of our own child)
        except (EOFError, OSError, pickle.UnpicklingError):
            self.close()
            return None

    def stop(self) -> None:
        """Ends what the process is doing; another thread may wait for it."""
        if (process := self._process) is not None:
            process.kill()

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _start() -> subprocess.Popen[bytes]:
    command = (sys.executable, "-m", __name__)
    return subprocess.Popen(  # noqa: S603 (our own command)
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )


def serve(tasks: IO[bytes], outcomes: IO[bytes]) -> None:
    while True:
        try:
            prepare, chunk, header = pickle.load(tasks)  # noqa: S301 (of whoever started us)
        except EOFError:
            return
        outcome: Prepared | str
        try:
            outcome = prepare(chunk, header)
        except Exception as error:
            traceback.print_exc()
            outcome = f"{type(error).__name__}: {error}"
        pickle.dump(outcome, outcomes)
        outcomes.flush()


def take_output() -> IO[bytes]:
    """Standard output for outcomes alone: what prints goes to standard error instead."""
    outcomes = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return outcomes


if __name__ == "__main__":
    # Ctrl-C and a group's SIGTERM are for whoever started us, and then ends this process too.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    serve(sys.stdin.buffer, take_output())
