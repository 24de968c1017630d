"""The demo's command line: what it is asked, and whether this machine has what it takes."""

from __future__ import annotations

import argparse
import math
import os
import sys
from pathlib import Path

from . import place

DESCRIPTION = """\
Starts an SSH server on 127.0.0.1 that cuts clients that send nothing for 8 seconds, and lets two
clients idle on it side by side: a bare ssh, and a keepshell ssh. Takes about 30 seconds. What it
needs is installed into a temporary directory and removed at the end; ~/.ssh is neither read nor
written.
"""

EPILOG = """\
exit status: 0 if the bare ssh was cut and the kept one answered, 1 if not, 2 for bad usage;
with --shell, that of the session.
"""

# keepshell's keepalives are 2 s apart here: a shorter limit would leave no room for them.
SHORTEST_LIMIT = 5.0
LONGEST_LIMIT = 3600.0


def _limit(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not SHORTEST_LIMIT <= seconds <= LONGEST_LIMIT:
        raise argparse.ArgumentTypeError(
            f"expected {SHORTEST_LIMIT:g} to {LONGEST_LIMIT:g} seconds, found {text!r}"
        )
    return seconds


def _options(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="demo",
        description=DESCRIPTION,
        epilog=EPILOG,
        allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--shell",
        action="store_true",
        help="no show: a keepshell ssh session on that server, for you to idle in",
    )
    parser.add_argument(
        "--cut-after",
        metavar="SECONDS",
        type=_limit,
        default=8.0,
        help="how much silence the server bears (default: %(default)g)",
    )
    parser.add_argument(
        "--environment",
        metavar="DIR",
        type=Path,
        help="use this virtual environment, which has keepshell[demo] installed, and make none",
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="make the virtual environment anew and keep none, instead of .demo in the checkout",
    )
    options = parser.parse_args(argv)
    if options.shell and not (os.isatty(0) and os.isatty(1)):
        parser.error("--shell needs a terminal")
    if options.environment:
        for program in ("python", "keepshell"):
            if not (options.environment / "bin" / program).exists():
                parser.error(f"--environment {options.environment}: it has no bin/{program}")
    return options


def main() -> int:
    options = _options(sys.argv[1:])
    try:
        place.require_programs(makes_environment=options.environment is None)
        place.set_up_and_run(
            options.environment,
            ["--cut-after", str(options.cut_after)] + ["--shell"] * options.shell,
            fresh=options.fresh,
        )
    except place.SetUpError as error:
        print(f"demo: {error}", file=sys.stderr)
    return 1


sys.exit(main())
