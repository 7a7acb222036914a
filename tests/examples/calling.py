"""Examples for the documents: lines for a shell, which are run as they are printed."""

import re
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email import message_from_string
from email.message import Message
from pathlib import Path

# What the documents call every server.
ADDRESS = "http://127.0.0.1:8000"
CONFIGURATION = 'silent\nshow-error\ndump-header = "head"\n'


@dataclass(frozen=True)
class Example:
    """A call of curl. A sentence tells of what is refused; `then` is what others do after it,
    such as a worker."""

    command: str
    text: str = ""
    then: Callable[[], object] = lambda: None

    @property
    def method(self) -> str:
        if named := re.search(r"-X (\w+)", self.command):
            return named[1]
        return "POST" if re.search(r" -[dF] ", self.command) else "GET"

    @property
    def path(self) -> str:
        return re.search(rf"{ADDRESS}([^\s'\"?]*)", self.command)[1]  # type: ignore[index]


@dataclass(frozen=True)
class Section:
    title: str
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Answer:
    """`body` is empty where curl was told to write it to a file."""

    status_line: str
    headers: Message
    body: bytes

    @property
    def status(self) -> int:
        return int(self.status_line.split()[1])

    @property
    def is_json(self) -> bool:
        kind = self.headers.get_content_type()
        return kind == "application/json" or kind.endswith("+json")


@dataclass(frozen=True)
class Caller:
    """Calls a server from a folder, where the files of the examples are."""

    url: str
    folder: Path
    environment: Mapping[str, str]

    def call(self, example: Example) -> Answer:
        (self.folder / ".curlrc").write_text(CONFIGURATION)
        done = subprocess.run(
            ["sh", "-c", example.command.replace(ADDRESS, self.url)],
            cwd=self.folder,
            env={**self.environment, "CURL_HOME": str(self.folder), "NO_PROXY": "*"},
            capture_output=True,
            check=False,
            timeout=60,
        )
        assert done.returncode == 0, f"{example.command}: {done.stderr.decode()}"
        head = (self.folder / "head").read_text(encoding="latin-1").replace(self.url, ADDRESS)
        status_line, _, fields = head.partition("\n")
        body = done.stdout.replace(self.url.encode(), ADDRESS.encode())
        return Answer(status_line.strip(), message_from_string(fields), body)
