"""States that a day of work leaves a terminal in: a question asked, a program left, a shell in a
shell, a connection that was cut inside another one."""

from __future__ import annotations

from dataclasses import replace

from tests.harmless import cutoff, shells
from tests.harmless.case import BASH, CTRL_C, CTRL_D, END, ESC, PROMPT, Case, Program, Step

_FRESH = "empty-paste"
_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_NOTHING = "hold: no input is known to be harmless here"
_DRAWS = "hold: the program draws on the screen, and may take ^Q for a key"
_ENDED = "hold: the program that asked for focus reports may have ended"

_GIT = "git -c user.name=u -c user.email=u@x"
_AS_NOBODY = "setpriv --reuid=65534 --clear-groups"
_PANE = (
    "tmux -f ~/tmux.conf -L outer new env PS1='pane$ ' bash --noprofile --norc -i\r",
    "pane$ ▮",
)
_CUT = f"sh ~/nested '{cutoff.INNER_TMUX}'\r"
_WORDS = (r"client_loop: send disconnect: Broken pipe|Connection to nested closed.*",)

_SHELL = Program(
    name="bash (everyday)",
    argv=BASH,
    starts=(("", PROMPT), ("echo one\r", f"one\n{PROMPT}")),
    ends=(("echo sum$((40+2)) | tee -a ran\r", f"\nsum42\n{PROMPT}"), ("exit 3\r", END)),
    files=cutoff.FILES,
)
_NESTED = replace(_SHELL, masks=_WORDS, why_masked="the words with which ssh ends")


def _empty(state: str, *steps: Step, needs: tuple[str, ...] = ("bash",)) -> Case:
    """The same prompt again, with nothing typed."""
    return _SHELL.at(state, _FRESH, *steps, enters=True, needs=needs)


_BACK_AT_THE_PROMPT = (
    _empty(
        "git log, q",
        (f"git init -q .; {_GIT} commit --allow-empty -qm 1\r", PROMPT),
        ("git -c core.pager='less -+F' log\r", "(END)"),
        ("q", PROMPT),
        needs=("git", "less"),
    ),
    _empty("clear", ("clear\r", PROMPT)),
    _empty("reset", ("reset\r", PROMPT)),
    _empty(
        "tmux has exited",
        ("tmux -f ~/tmux.conf -L q new 'sleep 0.5'\r", "[exited]"),
        ("", PROMPT),
        needs=("tmux",),
    ),
    _empty("possible completions, ^C", ("ls \t\t", "text"), (CTRL_C, f"^C\n{PROMPT}")),
    _empty("search, ^G", ("\x12", "search"), ("\x07", PROMPT)),
    _empty("last word, ^C", (f"{ESC}.", "one▮"), (CTRL_C, f"^C\n{PROMPT}")),
    _empty("python, ^D", ("/usr/bin/python3 -q\r", ">>> ▮"), (CTRL_D, PROMPT)),
    _empty("select, ^D", ("select x in a b; do echo $x; done\r", "#? ▮"), (CTRL_D, PROMPT)),
    _empty("read, ^D", ("read x\r", "x\n▮"), (CTRL_D, PROMPT)),
    _empty(
        "password asked, ^C",
        (f"{_AS_NOBODY} sudo -k -p 'password: ' true\r", "password: ▮"),
        (CTRL_C, PROMPT),
        needs=("sudo", "setpriv"),
    ),
    _SHELL.at(
        "vim stopped",
        _FRESH,
        ("vim -N -u NONE -i NONE -n text\r", "3L"),
        ("\x1a", "Stopped"),
        ("", PROMPT),
        None,
        ("fg\r", "one"),
        (":q\r", PROMPT),
        enters=True,
        needs=("vim",),
    ),
    # Another prompt: its first key proves it, and Enter stays with the login shell's.
    _SHELL.at("sudo -i", _UNKNOWN, ("sudo -i\r", "# ▮"), None, ("exit\r", PROMPT), needs=("sudo",)),
    _SHELL.at(
        "sudo -i, after a command",
        _FRESH,
        ("sudo -i\r", "# ▮"),
        ("true\r", "# ▮"),
        None,
        ("exit\r", PROMPT),
        needs=("sudo",),
    ),
)

_ASKED = (
    _SHELL.at(
        "getpass, half typed",
        "xon",
        ("python3 -c 'import getpass; print(\"got\", getpass.getpass())'\r", "Password: ▮"),
        ("ab", ""),
        None,
        ("c\r", "got abc"),
    ),
    _SHELL.at(
        "node's question, half typed",
        _DRAWS,
        ("node ask\r", "Name? ▮"),
        ("ab", "ab▮"),
        None,
        ("c\r", "got abc"),
        needs=("node",),
        files={
            "ask": (
                'const r = require("readline").createInterface('
                "{input: process.stdin, output: process.stdout});"
                'r.question("Name? ", (x) => { console.log("got", x); r.close() });'
            )
        },
    ),
    _SHELL.at(
        "dialog's menu",
        _NOTHING,
        ("dialog --menu hi 12 40 4 a one b two 2>got\r", "one"),
        None,
        ("b\r", PROMPT),
        needs=("dialog",),
    ),
    _SHELL.at(
        "whiptail's password, half typed",
        _NOTHING,
        ("whiptail --passwordbox hi 8 40 2>got\r", "hi"),
        ("ab", "**"),
        None,
        ("c\r", PROMPT),
        needs=("whiptail",),
    ),
    _SHELL.at(
        "sqlite3, a statement half entered",
        _UNKNOWN,
        ("sqlite3\r", "sqlite> ▮"),
        ("select 1\r", "...> ▮"),
        None,
        (";\r", "1\nsqlite> ▮"),
        (".quit\r", PROMPT),
        needs=("sqlite3",),
    ),
    _SHELL.at(
        "gdb, where Enter repeats",
        _FRESH,
        ("gdb -q\r", "(gdb) ▮"),
        ("print 1\r", "= 1\n(gdb) ▮"),
        None,
        ("\r", "$2 = 1\n(gdb) ▮"),
        ("quit\r", PROMPT),
        needs=("gdb",),
    ),
)


def _editor(name: str, state: str, *steps: Step | None) -> Case:
    return _SHELL.at(
        f"{name}, {state}",
        "focus",
        (f"{name} -u NONE -N -i NONE -n text\r", "five six"),
        *steps,
        (":qa!\r", PROMPT),
        needs=(name,),
    )


_GOT = (":call writefile([string(x)], 'got')\r", "")
_IN_EDITORS = tuple(
    case
    for name in ("vim", "nvim")
    for case in (
        _editor(name, "getchar()", (":let x=getchar()\r", ""), None, ("y", ""), _GOT),
        _editor(
            name,
            "input(), half typed",
            (":let x=input('name? ')\r", "name? "),
            ("ab", "ab"),
            None,
            ("c\r", ""),
            _GOT,
        ),
        _editor(name, "Press ENTER", (":echo 1|echo 2\r", "Press ENTER"), None, ("\r", "")),
        _editor(
            name,
            "replace asked",
            (":%s/o/0/gc\r", "replace"),
            None,
            ("y", ""),
            ("q", ""),
            (":w\r", "written"),
        ),
    )
)

_CUT_OFF = (
    _NESTED.at(
        "tmux cut off in tmux, read -s half typed",
        _ENDED,
        _PANE,
        (_CUT, "pane$ ▮"),
        ("read -s x; echo got-$x\r", "got-$x\n▮"),
        ("sec", ""),
        None,
        ("ret\r", "got-secret\n"),
        ("exit\r", PROMPT),
        needs=cutoff.NEEDS,
    ),
    _NESTED.at(
        "tmux cut off in screen, cat half typed",
        _NOTHING,
        ("screen -c /dev/null env PS1='pane$ ' bash --noprofile --norc -i\r", "pane$ ▮"),
        (f"TERM=screen {_CUT}", "pane$ ▮"),
        ("cat > got\r", "got\n▮"),
        ("ab", "ab▮"),
        None,
        ("c\r", "abc\n▮"),
        (CTRL_D, "pane$ ▮"),
        ("exit\r", "terminating"),
        needs=(*cutoff.NEEDS, "screen"),
    ),
    *(
        replace(
            cutoff.cut(
                f"{shell.name} (tmux cut off)", cutoff.INNER_TMUX, silent=True, argv=shell.argv
            ),
            env=shell.env,
            files={**cutoff.FILES, **shell.files},
        ).at(
            "cat, half typed",
            _ENDED,
            ("cat > got\r", "got\n▮"),
            ("ab", "ab▮"),
            None,
            ("c\r", "abc\n▮"),
            (CTRL_D, PROMPT),
        )
        for shell in (shells.ZSH, shells.MKSH)
    ),
)

CASES: tuple[Case, ...] = (*_BACK_AT_THE_PROMPT, *_ASKED, *_IN_EDITORS, *_CUT_OFF)
