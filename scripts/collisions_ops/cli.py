"""The command tree. A command imports what it needs when it runs, so that `--help` is quick."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import typer

from collisions_ops.console import Console
from collisions_ops.errors import OpsError
from collisions_ops.settings import Settings
from collisions_ops.shell import Shell

app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)

INTERRUPTED = 130
WRONG_CALL = 2
WRONG_CALL_OF = {"up": 1, "down": 1, "land": 1, "demo": 1}  # these have always ended with 1


@dataclass(frozen=True)
class Ops:
    """What each command is given: its settings, where it prints, how it runs programs."""

    settings: Settings
    console: Console
    shell: Shell


def main(arguments: Sequence[str], environ: Mapping[str, str]) -> int:
    """Run `NAME …` as scripts/NAME does, and return its exit code."""
    console = Console(environ)
    commands = typer.main.get_group(app).commands
    name, *rest = arguments or ["--help"]
    if name not in commands:
        shown = "\n".join(f"  {name:12} {c.get_short_help_str(90)}" for name, c in commands.items() if not c.hidden)
        console.note(f"python -m collisions_ops COMMAND …\n\n{shown}")
        return 0 if name == "--help" else WRONG_CALL
    try:
        ops = Ops(Settings.from_environment(environ), console, Shell(environ))
        code = commands[name].main(args=rest, prog_name=f"scripts/{name}", standalone_mode=False, obj=ops)
    except typer.TyperException as error:
        console.error(f"{error.format_message()} See scripts/{name} --help")
        return WRONG_CALL_OF.get(name, WRONG_CALL)
    except OpsError as error:
        console.error(str(error))
        return error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return code or 0


def ops(context: typer.Context) -> Ops:
    """What `main` gave the command."""
    assert isinstance(context.obj, Ops)
    return context.obj


def parse_day(text: str) -> date:
    """A date as options take it."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"invalid date {text!r}: write it as YYYY-MM-DD.") from None


# --- the cluster ----------------------------------------------------------------------------------


# --- the embedded runtime and the measurements ---------------------------------------------------------
