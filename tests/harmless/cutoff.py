"""Programs that ended without turning their modes off, and what reads the terminal after them.

The connection is cut below tmux, vim and a shell, or the program is killed; the words of ssh and of
the shell are there or not. What comes then has never asked for a report or a paste.
"""

from __future__ import annotations

from dataclasses import replace

from tests.harmless.case import BASH, CTRL_C, CTRL_D, END, PROMPT, Case, Program, Step

_ENDED = "hold: the program that asked for focus reports may have ended"
_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_OTHER_SCREEN = "hold: the program that asked for focus reports no longer has the screen"

# An ssh to a server of its own, which lives as long as the connection, and has no port. The server
# is killed two seconds after the login, as if a cable were cut.
_NESTED = r"""
cd ~ || exit
[ -f key ] || ssh-keygen -q -t ed25519 -N '' -f key
cp key.pub authorized
cat > sshd_config <<CONFIG
HostKey $HOME/key
AuthorizedKeysFile $HOME/authorized
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PidFile none
PermitUserRC no
SetEnv HOME=$HOME
CONFIG
[ "$(id -u)" != 0 ] || mkdir -p /run/sshd
exec ssh -F /dev/null -i key -tt -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no \
    -o LogLevel=ERROR -o ProxyCommand="$(command -v sshd) -i -f $HOME/sshd_config" \
    "$(id -un)@nested" "cd $HOME; export TMUX_TMPDIR=$HOME; (sleep 2; kill -9 \$PPID) & $1"
"""
_MENU = """\
while :; do printf '1) web\\n2) db\\nSelect: '; read x || exit; echo got-$x; done
"""
_SPINNER = """\
printf '\\033[?25l| working\\n\\033[?25h'; sleep 0.2
printf '\\033[?25l\\033[1A- working\\n\\033[?25h'
read -p 'Done. ' x; echo got-$x
"""
FILES = {
    "~/nested": _NESTED,
    "~/menu": _MENU,
    "~/vimrc": "set nocompatible belloff=all\n",
    "~/spinner": _SPINNER,
    "~/tmux.conf": "set -g status-interval 0\nset -g automatic-rename off\n",
    "text": "one two\nthree four\nfive six\n",
}
_DRAWS = "tput civis; tput cup 9 9; printf working; tput cnorm; read -s x; echo got-$x"
INNER_TMUX = "exec tmux -f ~/tmux.conf -L n new env PS1=inside\\$\\  bash --noprofile --norc -i"
NEEDS = ("ssh", "ssh-keygen", "sshd", "tmux", "vim")
_VIM = "exec vim -u ~/vimrc -i NONE -n text"
_SHELL = "exec env PS1=inside\\$\\  bash --noprofile --norc -i"


def cut(name: str, inner: str, *, silent: bool = False, argv: tuple[str, ...] = BASH) -> Program:
    quiet = " 2>/dev/null" if silent else ""
    return Program(
        name=name,
        argv=argv,
        starts=(("", PROMPT), (f"sh ~/nested '{inner}'{quiet}\r", "READY$ ▮")),
        ends=(("exit 3\r", END),),
        files=FILES,
        masks=(r"client_loop: send disconnect: Broken pipe|Connection to nested closed.*",),
        why_masked="the words with which ssh ends",
        needs=NEEDS,
    )


_READS: dict[str, tuple[Step | None, ...]] = {
    "prompt": (),
    "half-typed line": (("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    "cat": (("cat > got\r", "got\n▮"), None, ("abc\r", "abc\n▮"), (CTRL_D, PROMPT)),
    "cat, half typed": (
        ("cat > got\r", "got\n▮"),
        ("ab", "ab▮"),
        None,
        ("c\r", "abc\n▮"),
        (CTRL_D, PROMPT),
    ),
    "hidden prompt": (
        ("sh -c 'stty -echo; read x; stty echo; echo got-$x'\r", "got-$x'\n▮"),
        None,
        ("secret\r", "got-secret\n"),
    ),
    "hidden prompt, half typed": (
        ("sh -c 'printf Word:; stty -echo; read x; stty echo; echo got-$x'\r", "Word:▮"),
        ("sec", ""),
        None,
        ("ret\r", "got-secret\n"),
    ),
    "menu": (("sh ~/menu\r", "Select: ▮"), None, ("2\r", "got-2\n"), (CTRL_C, PROMPT)),
    "menu, half typed": (
        ("sh ~/menu\r", "Select: ▮"),
        ("1", "Select: 1▮"),
        None,
        ("2\r", "got-12\n"),
        (CTRL_C, PROMPT),
    ),
    "screen addressed, then a line read": (
        ("tput cup 3 3; head -n1 > got\r", ""),
        ("x", "x▮"),
        None,
        ("y\r", PROMPT),
    ),
    "spinner, then a question": (
        ("bash ~/spinner\r", "Done. ▮"),
        None,
        ("y\r", "got-y\n"),
    ),
}


def _after(program: Program, expect: str, *states: str) -> tuple[Case, ...]:
    return tuple(program.at(state, expect, *_READS[state]) for state in states or _READS)


_TMUX_CUT = cut("bash (tmux cut off)", INNER_TMUX)
_TMUX_SILENT = cut("bash (tmux cut off, no words)", INNER_TMUX, silent=True)
_VIM_CUT = cut("bash (vim cut off)", _VIM)
_DASH = ("dash", "-i")
_TMUX_DASH = cut("dash (tmux cut off, no words)", INNER_TMUX, silent=True, argv=_DASH)
_VIM_DASH = cut("dash (vim cut off, no words)", _VIM, silent=True, argv=_DASH)
_SHELL_DASH = cut("dash (bash cut off, no words)", _SHELL, silent=True, argv=_DASH)
_VIM_KILLED = replace(
    cut("bash (vim killed)", _VIM),
    starts=(
        ("", PROMPT),
        ("sh -c '(sleep 2; kill -9 $$) & exec vim -u ~/vimrc -i NONE -n text'\r", "Killed"),
        ("", PROMPT),
        ("stty sane\r", "stty sane\nREADY$ ▮"),
    ),
)

CASES: tuple[Case, ...] = (
    *_after(_TMUX_CUT, _ENDED),
    *_after(_TMUX_SILENT, _ENDED),
    *_after(_VIM_CUT, _ENDED, "prompt", "cat", "hidden prompt, half typed", "menu"),
    *_after(_TMUX_DASH, _ENDED),
    *_after(_VIM_DASH, _ENDED, "prompt", "half-typed line", "cat, half typed", "hidden prompt"),
    *_after(_SHELL_DASH, _UNKNOWN, "prompt", "cat", "cat, half typed", "menu", "menu, half typed"),
    *_after(_SHELL_DASH, _UNKNOWN, "hidden prompt, half typed"),
    *_after(_VIM_KILLED, _ENDED, "prompt", "cat", "hidden prompt", "menu, half typed"),
    _TMUX_CUT.at(
        "less",
        _OTHER_SCREEN,
        ("less text\r", "text (END)▮"),
        None,
        ("/six\r", "(END)▮"),
        ("q", PROMPT),
    ),
    _TMUX_CUT.at(
        "nano",
        _OTHER_SCREEN,
        ("nano --ignorercfiles text\r", "Read 3 lines"),
        None,
        ("new \x18", "Save modified"),
        ("n", PROMPT),
    ),
    _TMUX_CUT.at(
        "fzf",
        _OTHER_SCREEN,
        ("seq 3 | fzf > got; echo left-$?\r", "3/3"),
        None,
        ("2", "1/3"),
        ("\r", "left-0"),
    ),
    _TMUX_CUT.at(
        "another vim, which asks for nothing",
        _OTHER_SCREEN,
        ("TERM=tmux-256color vim -N -u NONE -i NONE -n text\r", '"text" 3L'),
        ("ix", "x▮one"),
        None,
        ("y\x1b", "xy"),
        (":wq\r", PROMPT),
    ),
    *(
        program.at(
            "nano without an alternate screen",
            _ENDED,
            ("TERM=linux nano --ignorercfiles text\r", "Read 3 lines"),
            ("new ", "new "),
            None,
            ("\x18", "Save modified"),
            ("n", PROMPT),
        )
        for program in (_TMUX_CUT, _VIM_CUT)
    ),
    _TMUX_CUT.at(
        "nano without an alternate screen, asked to save",
        _ENDED,
        ("TERM=linux nano --ignorercfiles text\r", "Read 3 lines"),
        ("new \x18", "Save modified"),
        None,
        ("n", PROMPT),
    ),
    _TMUX_CUT.at(
        "vim without an alternate screen",
        _ENDED,
        ("TERM=vt220 vim -N -u NONE -i NONE -n text\r", '"text" 3L'),
        ("ix", "x▮one"),
        None,
        ("y\x1b", "xy"),
        (":wq\r", PROMPT),
    ),
    *(
        cut.at(
            "drawn with the cursor hidden, then read in silence",
            _ENDED,
            (f"{_DRAWS}\r", "working"),
            ("sec", ""),
            None,
            ("ret\r", "got-secret\n"),
        )
        for cut in (_TMUX_CUT, _VIM_CUT)
    ),
    _VIM_CUT.at(
        "another vim",
        "focus",
        ("vim -N -u NONE -i NONE -n text\r", '"text" 3L'),
        None,
        ("dd:wq\r", PROMPT),
    ),
)
