"""`python -m keepshell`: the same as `keepshell`."""

import sys

from keepshell.cli.main import main

sys.exit(main())
