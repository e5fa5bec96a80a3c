"""The command line `seelike`: exit 0 when done, 2 for the user's mistake, 1 for a fault."""

import os
import sys
from collections.abc import Sequence
from typing import Any

import typer
import typer.main

from seelike.flows.cli import other_verbs, store_verbs, study_verbs
from seelike.flows.errors import MISTAKES, Incomplete

# The terminal shows progress bars and one line for a mistake; Prefect's own log, tracebacks
# included, still goes to its server and the Prefect UI.
QUIET = {
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_FLOW_RUNS_LEVEL": "CRITICAL",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "DASK_LOGGING__DISTRIBUTED": "error",
    "HF_HUB_VERBOSITY": "error",
}

# Without rich, which takes as long to import as all the rest.
app = typer.Typer(
    name="seelike",
    help="What do vision networks compute inside, and how alike are they?",
    epilog="`seelike VERB -h` explains a verb, `seelike --version` prints the version.",
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
app.add_typer(study_verbs.verbs)
app.add_typer(other_verbs.verbs)
app.add_typer(store_verbs.verbs)
app.add_typer(store_verbs.store, name="store")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Args:
        arguments: The words after ``seelike``; those of this process if left out.

    Returns:
        The exit status: 0 done, 2 the user's mistake, 1 a fault, 130 interrupted.
    """
    words = sys.argv[1:] if arguments is None else list(arguments)
    # Not as an option of typer, which would load pydantic to convert it before any help.
    if words == ["--version"]:
        from importlib.metadata import version

        print(f"seelike {version('seelike')}")
        return 0
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    try:
        with parse(words) as context:
            context.command.invoke(context)
        return 0
    except typer.Exit as early:
        return early.exit_code
    except typer.TyperException as error:
        return _fail(_usage(error), status=2)
    except MISTAKES as error:
        return _fail(str(error), status=2)
    except Incomplete as error:
        return _fail(str(error), status=2 if error.mistakes else 1)
    except (KeyboardInterrupt, typer.Abort):
        return _fail("interrupted; run the same command again to continue", status=130)
    except OSError as error:
        return _fail(str(error), status=1)


def parse(words: Sequence[str]) -> typer.Context:
    """Parse the words of a command, without running it.

    Groups are left by name, one after the other: a group that parsed its words itself would load
    pydantic, even where they end in ``-h``.

    Returns:
        The context to invoke; ``params`` has the arguments by the names of the verb's function.

    Raises:
        TyperException: There is no such command, or its arguments are wrong.
        typer.Exit: Help was asked for, and printed.
    """
    found: Any = typer.main.get_command(app)
    name, above, rest = "seelike", None, list(words)
    while rest and rest[0] in getattr(found, "commands", {}):
        above = typer.Context(found, parent=above, info_name=name, **found.context_settings)
        name = rest.pop(0)
        found = found.commands[name]
    context: typer.Context = found.make_context(name, rest, parent=above)
    return context


def _fail(message: str, *, status: int) -> int:
    print(f"seelike: {message}", file=sys.stderr)
    return status


def _usage(error: typer.TyperException) -> str:
    """Word a wrong command in one line, with the command that shows its help."""
    message = " ".join(error.format_message().split()).rstrip(".")
    end = "" if message.endswith("?") else ";"
    context = getattr(error, "ctx", None)
    path = context.command_path if context else "seelike"
    return f"{message[:1].lower()}{message[1:]}{end} `{path} -h` shows what it takes"


if __name__ == "__main__":
    sys.exit(main())
