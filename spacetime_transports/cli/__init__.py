"""The command line: ``spacetime-py COMMAND``.

`main` is the one place where errors become a line on standard error and an exit code: 0 for success,
1 for an error, 2 for an invalid command line, 130 for Ctrl-C.
"""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Run one command; ends by SystemExit.

    Args:
        arguments: the words after ``spacetime-py``; default those of the process.
    """
    from spacetime_proto.errors import SpacetimeError

    for name in ("typer", "rich"):
        if find_spec(name) is None:
            text = f"the command line needs {name}: pip install 'spacetimedb-client[cli]'"
            print(f"spacetime-py: {text}", file=sys.stderr)
            raise SystemExit(1)
    from .app import app
    from .common import CommandError, fail, one_line_warnings

    one_line_warnings()
    words = sys.argv[1:] if arguments is None else arguments
    try:
        app(args=words, prog_name="spacetime-py")
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BaseExceptionGroup as group:
        # A task group that wrapped a single cause hides what went wrong; a real group is a bug.
        if group.split((SpacetimeError, CommandError, OSError))[1] is not None:
            raise
        fail(group.exceptions[0])
    except (SpacetimeError, CommandError, OSError) as error:
        fail(error)
    finally:
        if arguments is None:
            # Only the interpreter's shutdown is left; Ctrl-C during it would print a traceback.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
