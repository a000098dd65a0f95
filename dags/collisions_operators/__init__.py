"""Operators that run a stage; here what they share: how exit codes and log lines are understood."""

from __future__ import annotations

import logging
import signal
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NoReturn

from airflow.sdk.exceptions import AirflowException, AirflowFailException

if TYPE_CHECKING:
    from airflow.sdk import Context

TRANSIENT = 75
SETTINGS = 78
LOST = 255  # of a container whose end containerd has not seen, as after a restart of its node
MEANING = {
    65: "the data breaks its contract",
    70: "a fault of the code, not of the data",
    TRANSIENT: "a transient fault",
    SETTINGS: "wrong settings or arguments",
}
LEVELS = {
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARNING": logging.WARNING,
    "ERROR": logging.ERROR,
    "CRITICAL": logging.CRITICAL,
}


class WrongSettings(AirflowFailException):
    """A stage has refused its settings or arguments."""


def split_level(line: str) -> tuple[int, str]:
    """A stage's log line as (level, message): `WARNING: x` is (logging.WARNING, "x"); without a level it is INFO."""
    name, colon, message = line.partition(": ")
    if colon and name in LEVELS:
        return LEVELS[name], message
    return logging.INFO, line


def raise_for_exit(stage: str, code: int, last_lines: Iterable[str]) -> NoReturn:
    """
    Raise what a stage's exit code (never 0) means to Airflow, with the stage's own last errors in the message.

    A transient fault and a killed process (negative from a process, 128 + signal from a container) may be retried;
    every other failure would only repeat, so it fails the task at once.
    """
    killed_by = 0 if code == LOST else -code if code < 0 else code - 128 if code > 128 else 0
    if code == LOST:
        meaning = "was lost: its container ended unseen, as when its node restarts (exit code 255)"
    elif killed_by:
        name = signal.Signals(killed_by).name if killed_by in set(signal.Signals) else f"signal {killed_by}"
        meaning = f"was killed by {name}"
    else:
        meaning = f"failed with exit code {code} ({MEANING.get(code, 'not one of the known codes')})"
    lines = [split_level(line) for line in last_lines]
    # A process that died without an error message leaves at least its last lines.
    shown = [message for level, message in lines if level >= logging.ERROR] or [message for _, message in lines[-5:]]
    details = "\n".join(shown)
    message = f"{stage} {meaning}" + (f":\n{details}" if details else "")
    if killed_by or code in (TRANSIENT, LOST):
        raise AirflowException(message)
    raise (WrongSettings if code == SETTINGS else AirflowFailException)(message)


def hand_on(context: Context, result: Any) -> None:
    """Put a stage's result into the events of the assets that its task updates."""
    for asset in context["task"].outlets:
        context["outlet_events"][asset].extra.update(result)


def chunk_name(chunk: str) -> str:
    """A chunk's name for people: `a:2019-01..2020-06,b:2019-01..2020-06` is `a, b 2019-01…2020-06`."""
    by_span: dict[str, list[str]] = {}
    for part in chunk.split(","):
        dataset, _, span = part.partition(":")
        first, _, last = span.partition("..")
        by_span.setdefault(first if first == last else f"{first}…{last}", []).append(dataset)
    return ", ".join(f"{', '.join(datasets)} {span}".rstrip() for span, datasets in by_span.items())
