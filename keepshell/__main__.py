"""`python -m keepshell`: the same as `keepshell`."""

import sys

from keepshell.cli import main

sys.exit(main())
