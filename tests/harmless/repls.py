"""Programs that read commands line by line, with a line editor or without."""

from __future__ import annotations

from tests.harmless.case import CTRL_D, EDITS, END, Case, Program

_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_TYPED = "hold: a line is half typed"

_ASKS = "while True:\n  try: print(eval(input('? ')))\n  except EOFError: break\n"
_PYTHON = Program(
    name="python",
    command="/usr/bin/python3 -q",
    starts=(("", ">>> ▮"),),
    ends=(("1+41\r", "\n42\n>>> ▮"), ("exit(3)\r", END)),
)
_IPYTHON = Program(
    name="ipython",
    command="/usr/bin/ipython3 --quick --no-banner --no-confirm-exit --colors=NoColor",
    starts=(("", "In [1]: ▮"),),
    ends=(("1+42\r", ": 43\n\nIn ["), ("", "]: ▮"), ("exit\r", END)),
)
_SQLITE = Program(
    name="sqlite3",
    command="sqlite3 data.db",
    starts=(("", "sqlite> ▮"),),
    ends=(("select 1+41;\r", "\n42\nsqlite> ▮"), (".exit 3\r", END)),
)
_GDB = Program(
    name="gdb",
    command="gdb -q -nx",
    starts=(("", "(gdb) ▮"),),
    ends=(("print 1+41\r", " = 42\n(gdb) ▮"), ("quit 3\r", END)),
)
_BC = Program(
    name="bc",
    command="bc",
    starts=(("", "warranty"), ("", EDITS), ("1+1\r", "\n2\n▮")),
    ends=(("1+41\r", "\n42\n▮"), ("quit\r", END)),
)
_RLWRAP = Program(
    name="rlwrap",
    command="rlwrap -H ~/history sh -c 'echo ready; exec cat'",
    starts=(("", "ready\n▮"), ("", EDITS), ("one\r", "one\none\n▮")),
    ends=(("two\r", "two\ntwo\n▮"), (CTRL_D, END)),
)
_PYTHON_PLAIN = Program(
    name="python (no line editor)",
    command="/usr/bin/python3 asks.py",
    files={"asks.py": _ASKS},
    starts=(("", "? ▮"),),
    ends=(("1+41\r", "\n42\n? ▮"), (CTRL_D, END)),
)

CASES: tuple[Case, ...] = (
    _PYTHON.at("prompt", "xon"),
    _PYTHON.at("half-typed line", "xon", ("6*", "6*▮"), None, ("7\r", "\n42\n")),
    _PYTHON.at(
        "open block", "xon", ("if 1:\r", "... ▮"), None, (" 6*7\r", "7\n... ▮"), ("\r", "\n42\n")
    ),
    _PYTHON.at("input()", "xon", ("x = input('? '); x\r", "? ▮"), None, ("abc\r", "'abc'")),
    _PYTHON.at(
        "getpass()",
        "xon",
        ("import getpass; getpass.getpass()\r", "Password: ▮"),
        ("ab", ""),
        None,
        ("c\r", "'abc'"),
    ),
    _PYTHON.at(
        "sleeping, with type-ahead",
        "xon",
        ("import time; time.sleep(4)\r", "sleep(4)\n▮"),
        ("6*7", "6*7"),
        None,
        ("\r", "\n42\n"),
    ),
    _PYTHON_PLAIN.at("prompt of input()", "xon"),
    _IPYTHON.at("prompt", _UNKNOWN),
    _IPYTHON.at("half-typed line", _TYPED, ("6*", "6*▮"), None, ("7\r", ": 42\n")),
    _SQLITE.at("prompt", _UNKNOWN),
    _SQLITE.at("half-typed line", _TYPED, ("select 6*", "6*▮"), None, ("7;\r", "\n42\n")),
    _SQLITE.at(
        "statement not ended", _UNKNOWN, ("select 6*\r", "...> ▮"), None, ("7;\r", "\n42\n")
    ),
    _GDB.at("prompt", _UNKNOWN),
    _GDB.at(
        "prompt after a command that Enter repeats",
        "empty-paste",
        ("set $x=0\r", "(gdb) ▮"),
        ("print $x++\r", "$1 = "),
    ),
    _GDB.at("half-typed line", _TYPED, ("print 6*", "6*▮"), None, ("7\r", " = 42\n")),
    _GDB.at(
        "a pager's question",
        _UNKNOWN,
        ("help all\r", "--Type <RET>"),
        None,
        ("q\r", "Quit\n(gdb) ▮"),
    ),
    _BC.at("after a result", _UNKNOWN),
    _BC.at("half-typed line", _UNKNOWN, ("6*", "6*▮"), None, ("7\r", "\n42\n")),
    _RLWRAP.at("cat, nothing typed", _UNKNOWN),
    _RLWRAP.at("cat, half typed", _UNKNOWN, ("thr", "thr▮"), None, ("ee\r", "three\nthree\n")),
)
