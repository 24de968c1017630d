"""Programs that ask a question or read raw input: passwords, [y/n], single keys, file transfers."""

from __future__ import annotations

from tests.harmless.case import CTRL_C, CTRL_D, END, Case, Program

_RAW = (
    "import os, sys, termios, tty\n"
    "old = termios.tcgetattr(0)\n"
    "tty.setraw(0)\n"
    "os.write(1, sys.argv[1].encode('latin-1').decode('unicode_escape').encode('latin-1'))\n"
    "got = b''\n"
    "while not got.endswith(b'.'):\n"
    "    got += os.read(0, 1)\n"
    "termios.tcsetattr(0, termios.TCSANOW, old)\n"
    "print(got)\n"
)
_GIT = (
    "git init -q . && git add t && git -c user.name=u -c user.email=u@x commit -qm 1 && cat u > t"
)

_CAT = Program(
    name="cat",
    command="cat > got",
    starts=(("", "got\n▮"),),
    ends=((CTRL_D, END),),
)
_RM = Program(
    name="rm -i",
    command="rm -i one two",
    starts=(("", "'one'? ▮"),),
    ends=(("n\r", END),),
    files={"one": "", "two": ""},
)
_GIT_ADD = Program(
    name="git add -p",
    command=f"{_GIT} && git add -p",
    starts=(("", "? ▮"),),
    ends=(("q\r", END), ("git diff --cached > staged\r", "staged\nREADY$ ▮")),
    files={"t": "one\ntwo\nthree\n", "u": "ONE\ntwo\nthree\n"},
    env={"GIT_CONFIG_NOSYSTEM": "1", "GIT_PAGER": "cat"},
)
_GIT_KEYS = Program(
    name="git add -p (single keys)",
    command=f"{_GIT} && git -c interactive.singleKey=true add -p",
    starts=_GIT_ADD.starts,
    ends=(("q", END), *_GIT_ADD.ends[1:]),
    files=_GIT_ADD.files,
    env=_GIT_ADD.env,
)
_SUDO = Program(
    name="sudo",
    # root is never asked
    command="test $(id -u) = 0 && u='setpriv --reuid=65534 --clear-groups'; "
    "$u sudo -k -p 'password: ' true",
    starts=(("", "password: ▮"),),
    needs=("sudo", "setpriv"),
    ends=((CTRL_C, END),),
)
_SSH_KEYGEN = Program(
    name="ssh-keygen",
    command="ssh-keygen -q -t ed25519 -N secret -f key && ssh-keygen -y -f key > public"
    " && rm key* public && echo right",
    starts=(("", "passphrase: ▮"),),
    needs=("ssh-keygen",),
)
_RZ = Program(
    name="rz",
    command="rz -b",
    starts=(("", "waiting to receive"),),
    ends=(("\x18" * 10, END),),
)


def _raw(name: str, first: str) -> Program:
    return Program(
        name=name,
        command=f"/usr/bin/python3 raw.py '{first}'",
        starts=(("", "ready"),),
        ends=((".", "b'"), ("", "READY$ ▮")),
        files={"raw.py": _RAW},
    )


_PLAIN_READER = _raw("raw reader", "ready")
_BINARY_READER = _raw("raw reader of binary data", r"ready\x01\x02")

CASES: tuple[Case, ...] = (
    _CAT.at("nothing typed", "xon", None, ("abc\r", "abc\n▮")),
    _CAT.at("half typed", "xon", ("ab", "ab▮"), None, ("c\r", "abc\n▮")),
    _RM.at("first question", "xon", None, ("y\r", "'two'? ▮")),
    _RM.at("answer half typed", "xon", ("y", "y▮"), None, ("es\r", "'two'? ▮")),
    _GIT_ADD.at("question", "xon", None, ("?\r", "print help")),
    _GIT_KEYS.at("question", "xon", None, ("?", "print help")),
    _SUDO.at("password half typed", "xon", ("sec", ""), None),
    _SSH_KEYGEN.at(
        "passphrase half typed",
        "xon",
        ("sec", ""),
        None,
        ("ret\r", "right\nREADY$ ▮"),
    ),
    _RZ.at("waiting for a file", "hold: binary output: a file transfer may be running"),
    _PLAIN_READER.at(
        "without the opt-in for ^Q",
        "hold: only ^Q would do, and `xon` is off",
        None,
        ("abc", ""),
        xon=False,
        why_not_allowed="^Q would be data to a reader that turned IXON off",
    ),
    _BINARY_READER.at(
        "binary output seen",
        "hold: binary output: a file transfer may be running",
        None,
        ("abc", ""),
    ),
)
