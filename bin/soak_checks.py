"""What a soak has to hold, and the tables that tell whether it does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from signal import Signals

from figures import write_table
from pacing import BROKEN, FIXES, WHOLE, Told
from sampling import ROLES, Sample, Span
from soak_importing import KEPT, Ended

MISSED = "**missed**"
SPAN_SECONDS = 60.0
GROWTH_WANTED = 1.05
OLDEST_WANTED_SECONDS = 30.0
COUNT, MEGABYTES, GIGABYTES = (1, ",.0f", ""), (1e6, ",.1f", " MB"), (1e9, ",.2f", " GB")


@dataclass(frozen=True)
class Restart:
    worker: str
    signal: Signals


@dataclass(frozen=True)
class Imports:
    """`begun` are those that were accepted; `answers` are the statuses of all requests for them."""

    begun: int
    ended: Ended
    answers: Sequence[int]
    left: int  # rows and tables that should be gone


@dataclass(frozen=True)
class Stored:
    """What the database holds at the end."""

    fixes: int
    averaged: int
    processed: int
    rejected: int
    waiting: int
    measurements: int
    lineage: int
    bodies: int


@dataclass(frozen=True)
class Course:
    """What happened while the load lasted."""

    seconds: float
    told: Mapping[str, Told]
    unsent: int  # requests, until long after their moment
    samples: Sequence[Sample]
    restarts: Sequence[Restart]
    deaths: int  # of programs
    replaced: int  # processes of the web server
    imports: Imports


@dataclass(frozen=True)
class Check:
    name: str
    measured: str
    wanted: str
    holds: bool = True

    def write(self) -> list[str]:
        return [self.name, self.measured, f"{self.wanted}{'' if self.holds else f', {MISSED}'}"]


def write_soak(course: Course, stored: Stored) -> list[str]:
    """The tables, as Markdown."""
    checks = [*check_stored(course.told, stored), *check_imports(course.imports)]
    checks += [*check_answers(course), *check_programs(course)]
    header = ["what", "measured", "wanted"]
    return [
        write_doors(course),
        write_table(header, [check.write() for check in checks]),
        write_growth(course),
    ]


# What was asked


def write_doors(course: Course) -> str:
    rows = [
        [
            kind,
            f"{told.sent:,}",
            f"{told.sent / course.seconds:,.1f}",
            f"{told.p50_ms:,.1f}",
            f"{told.p99_ms:,.1f}",
        ]
        for kind, told in course.told.items()
    ]
    return write_table(["requests", "number", "a second", "p50 in ms", "p99 in ms"], rows)


# What has to hold


def check_stored(told: Mapping[str, Told], stored: Stored) -> list[Check]:
    fixes, whole, broken = told[FIXES], told[WHOLE], told[BROKEN]
    of_payload = (stored.measurements, stored.lineage)
    are_kept = set(of_payload) == {stored.processed} and not stored.waiting
    has_bodies = stored.bodies == stored.processed + stored.rejected
    return [
        check_all("fixes in the averages", stored.averaged, fixes, stored.averaged == stored.fixes),
        check_all(
            "payloads processed, each with measurement, lineage and bytes",
            stored.processed,
            whole,
            are_kept and has_bodies,
        ),
        check_all("payloads rejected with a reason", stored.rejected, broken),
    ]


def check_all(name: str, count: int, told: Told, is_consistent: bool = True) -> Check:
    """All that were acknowledged, and none that was not sent."""
    holds = is_consistent and told.acknowledged <= count <= told.sent
    return Check(name, f"{count:,} of {told.acknowledged:,} acknowledged", "all", holds)


def check_imports(imports: Imports) -> list[Check]:
    ended, begun = imports.ended, imports.begun
    is_whole = ended.finished + ended.cancelled == begun and ended.finished > 0
    due = max(ended.finished + ended.cancelled + len(ended.wrong) - KEPT, 0)
    took = f", in {min(ended.seconds):.1f} to {max(ended.seconds):.1f} s" if ended.seconds else ""
    return [
        Check(
            "imports finished with exactly their rows",
            f"{ended.finished} of {begun - ended.cancelled}{took}",
            "all",
            is_whole,
        ),
        Check("imports cancelled, without a row left", f"{ended.cancelled}", ""),
        Check(
            f"imports deleted, beyond {KEPT}",
            f"{ended.deleted} of {due}, attempts put off: {ended.put_off}",
            "all",
            ended.deleted == due,
        ),
        Check(
            "rows of imports that were deleted, tables of imports that have ended",
            f"{imports.left}",
            "0",
            not imports.left,
        ),
    ]


def check_answers(course: Course) -> list[Check]:
    statuses = Counter(course.imports.answers)
    failed = statuses.pop(0, 0)
    for told in course.told.values():
        failed += told.failed
        statuses.update({int(status): count for status, count in told.others.items()})
    errors = sum(count for status, count in statuses.items() if status >= 500)
    # A cancel that comes too late is a 409, and so is a DELETE of rows that are read.
    unwanted = {s: n for s, n in sorted(statuses.items()) if 300 <= s < 500 and s != 409}
    names = ", ".join(f"{count} of {status}" for status, count in unwanted.items())
    return [
        Check("answers of 500 and more", f"{errors}", "0", not errors),
        Check("other answers that are not wanted", names or "0", "0", not unwanted),
        Check("requests without an answer", f"{failed}", "0", not failed),
        Check("requests too late to be sent", f"{course.unsent}", "0", not course.unsent),
    ]


def check_programs(course: Course) -> list[Check]:
    signals = Counter(restart.signal.name for restart in course.restarts)
    names = ", ".join(f"{count} by {name}" for name, count in sorted(signals.items()))
    count = len(course.restarts)
    oldest = max((sample.oldest_seconds for sample in course.samples), default=0.0)
    others = max(course.deaths - count, 0) + course.replaced
    return [
        Check(
            "workers ended, and started again",
            f"{min(course.deaths, count)} of {count} ({names})",
            "all",
            course.deaths >= count > 0,
        ),
        Check("processes that ended by themselves", f"{others}", "0", not others),
        Check(
            "seconds that the oldest payload waited, at most",
            f"{oldest:.1f}",
            f"≤ {OLDEST_WANTED_SECONDS:.0f}",
            oldest <= OLDEST_WANTED_SECONDS,
        ),
    ]


# What should not grow


@dataclass(frozen=True)
class Watched:
    name: str
    read: Callable[[Sample], float]
    unit: tuple[float, str, str]
    wanted: float | None = None

    def write(self, value: float) -> str:
        divisor, form, name = self.unit
        return f"{value / divisor:{form}}{name}"


def list_watched() -> list[Watched]:
    def read_role(role: str) -> Callable[[Sample], float]:
        return lambda sample: sample.memory[role]

    roles = dict.fromkeys(ROLES.values())
    memory = [Watched(f"memory: {r}", read_role(r), MEGABYTES, GROWTH_WANTED) for r in roles]
    return [
        *memory,
        Watched("connections to PostgreSQL", lambda s: s.connections, COUNT, GROWTH_WANTED),
        Watched("Redis: memory", lambda s: s.redis_bytes, MEGABYTES, GROWTH_WANTED),
        Watched("Redis: keys", lambda s: s.redis_keys, COUNT),
        Watched("payloads that wait", lambda s: s.waiting, COUNT),
        Watched("disk of the database and of the logs", lambda s: s.disk_bytes, GIGABYTES),
    ]


def write_growth(course: Course) -> str:
    """Medians of the minute that ends at a third of the time, and of the last."""
    early, late = list_spans(course.seconds)
    rows = [compare(watched, course.samples, early, late) for watched in list_watched()]
    header = ["median of a minute", f"after {early.end / 60:.1f} minutes", "at the end"]
    return write_table([*header, "measured ratio", "wanted", "least and most of all"], rows)


def list_spans(seconds: float) -> tuple[Span, Span]:
    third = seconds / 3
    length = min(SPAN_SECONDS, third)
    return Span(third - length, third), Span(seconds - length, seconds)


def compare(watched: Watched, samples: Sequence[Sample], early: Span, late: Span) -> list[str]:
    before = early.median(samples, watched.read)
    after = late.median(samples, watched.read)
    ratio = after / before if before else 1.0
    found = [watched.read(sample) for sample in samples]
    wanted = "" if watched.wanted is None else f"≤ {watched.wanted:.2f}"
    if watched.wanted is not None and ratio > watched.wanted:
        wanted += f", {MISSED}"
    least, most = watched.write(min(found)), watched.write(max(found))
    texts = [watched.write(before), watched.write(after), f"{ratio:.2f}", wanted]
    return [watched.name, *texts, f"{least} to {most}"]
