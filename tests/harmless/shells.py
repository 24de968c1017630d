"""Shells: their prompts, their line editors, and what their builtins ask."""

from __future__ import annotations

from dataclasses import replace

from tests.harmless.case import CTRL_D, CTRL_V, CTRL_X, END, ESC, Case, Program, Step

_PROMPT = "READY$ ▮"
_FRESH = "empty-paste"
_TYPED = "hold: a line is half typed"
_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_DRAWS = "hold: the program draws on the screen, and may take ^Q for a key"
_NOTHING = "hold: no input is known to be harmless here"
_ENDED = "hold: the program that asked for focus reports may have ended"
_LEAVE_2004 = r"printf '\033[?2004h'; echo left" "\r"
_LEAVE_1004 = r"printf '\033[?1049h\033[>4;2m\033[?1004h'; echo left" "\r"
_LEAVE_7727 = r"printf '\033[?1049h\033[?7727h'; echo left" "\r"
_JOBS = (r"\[1\] [0-9]+",)
_RAN = ("echo sum$((40+2)) | tee -a ran\r", f"\nsum42\n{_PROMPT}")

_BASH = Program(
    name="bash",
    argv=("bash", "--noprofile", "--norc", "-i"),
    starts=(("", _PROMPT),),
    ends=(_RAN, ("history > seen; exit 3\r", END)),
    masks=_JOBS,
    why_masked="process ids",
)
_BASH_VI = Program(
    name="bash (vi mode)",
    argv=("bash", "--noprofile", "--norc", "-i", "-o", "vi"),
    starts=(("", _PROMPT), ("echo one two three\r", f"one two three\n{_PROMPT}")),
    ends=(("history > seen; exit 3\r", END),),
)
ZSH = Program(
    name="zsh",
    argv=("zsh", "-d", "-i"),
    starts=(("", _PROMPT),),
    ends=(_RAN, ("fc -l 1 > seen; exit 3\r", END)),
    files={
        "~/.zshrc": "PS1='READY$ '\nHISTSIZE=100\nbindkey -e\nunsetopt PROMPT_SP\n",
        "alpha": "",
        "alpine": "",
    },
)
_ZSH_VI = Program(
    name="zsh (vi mode)",
    argv=("zsh", "-d", "-i"),
    starts=(("", _PROMPT), ("echo one two three\r", f"one two three\n{_PROMPT}")),
    ends=(("exit 3\r", END),),
    files={"~/.zshrc": "PS1='READY$ '\nbindkey -v\nunsetopt PROMPT_SP\nKEYTIMEOUT=1\n"},
)
_FISH_PROMPT = "function fish_prompt; echo -n 'READY$ '; end; function fish_title; end"
_FISH = Program(
    name="fish",
    argv=("fish", "--private", "-C", _FISH_PROMPT),
    starts=(("", _PROMPT),),
    ends=(("echo sum(math 40 + 2) | tee -a ran\r", f"\nsum42\n{_PROMPT}"), ("exit 3\r", END)),
    # Without them it reads all manual pages in the background, for ten seconds and more.
    files={"~/.local/share/fish/generated_completions/none.fish": ""},
)
_PLAIN_FISH = replace(
    _FISH,
    name="fish (no configuration)",
    argv=("fish", "--private", "--no-config", "-C", _FISH_PROMPT),
)
_TCSH = Program(
    name="tcsh",
    argv=("tcsh",),
    starts=(("", _PROMPT),),
    ends=(("echo sum42 | tee -a ran\r", f"\nsum42\n{_PROMPT}"), ("exit 3\r", END)),
    files={"~/.tcshrc": "set prompt='READY$ '\nset autologout=0\n", "alpha": "", "alpine": ""},
)


def _posix(name: str, *argv: str, **env: str) -> Program:
    ends = (_RAN, ("exit 3\r", END))
    return Program(name=name, argv=argv, starts=(("", _PROMPT),), ends=ends, env=env)


_DASH = _posix("dash", "dash", "-i")
# mksh takes no PS1 without a # from root's environment.
MKSH = replace(_posix("mksh", "mksh", "-i", ENV="{home}/rc"), files={"~/rc": "PS1='READY$ '\n"})
_KSH = _posix("ksh93", "ksh93", "-i")
_NO_EDITING = _posix("bash (no editing)", "bash", "--norc", "--noediting", "-i")

_BASH_CASES = (
    _BASH.at("prompt", _FRESH, enters=True),
    _BASH.at("prompt after a command", _FRESH, ("true\r", f"{_PROMPT}"), enters=True),
    _BASH.at("half-typed line", _TYPED, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _BASH.at(
        "cursor mid-line", _TYPED, ("echo heo", "heo▮"), ("\x02", "he▮o"), None, ("ll\r", "hello")
    ),
    _BASH.at(
        "line recalled from history",
        _TYPED,
        ("echo one\r", f"\none\n{_PROMPT}"),
        (f"{ESC}[A", "READY$ echo one▮"),
        None,
        ("\r", "one\nREADY$ echo one\none\n"),
    ),
    _BASH.at(
        "incremental search",
        _UNKNOWN,
        ("echo one\r", f"\none\n{_PROMPT}"),
        ("\x12", "(reverse-i-search)"),
        ("ec", "`ec': "),
        None,
        ("\r", "one\nREADY$ echo one\none\n"),
    ),
    _BASH.at(
        "quoted insert pending (^V)",
        _TYPED,
        ("echo a", "a▮"),
        (CTRL_V, ""),
        None,
        ("\x01\r", "^A\n"),
    ),
    _BASH.at(
        "^X pending",
        _TYPED,
        ("echo a", "a▮"),
        (CTRL_X, ""),
        None,
        ("\x15", ""),
        ("echo b\r", "b\n"),
    ),
    _BASH.at(
        "ESC pending",
        _TYPED,
        ("echo one tw", "tw▮"),
        (ESC, ""),
        None,
        ("b", "one ▮tw"),
        ("\r", "one tw\n"),
    ),
    _BASH.at("numeric argument", _UNKNOWN, (f"{ESC}3", "(arg: 3)"), None, ("x\r", "xxx")),
    _BASH.at(
        "completion question",
        _UNKNOWN,
        ("for i in $(seq 150); do : > f$i; done\r", f"done\n{_PROMPT}"),
        ("ls f\t\t", "(y or n)"),
        None,
        ("n", "READY$ ls f▮"),
        ("77\r", "\nf77\n"),
    ),
    _BASH.at("PS2", _UNKNOWN, ("echo 'one\r", "more> ▮"), None, ("two'\r", "\none\ntwo\n")),
    _BASH.at(
        "PS2, half typed",
        _TYPED,
        ("echo 'one\r", "more> ▮"),
        ("tw", "tw▮"),
        None,
        ("o'\r", "\none\ntwo\n"),
    ),
    _BASH.at(
        "here document",
        _FRESH,
        ("cat <<E\r", "more> ▮"),
        ("one\r", "one\nmore> ▮"),
        None,
        ("E\r", "\none\nREADY"),
    ),
    _BASH.at(
        "kill ring",
        _TYPED,
        ("echo one", "one▮"),
        ("\x17", "echo ▮"),
        None,
        ("\x19\x19\r", "\noneone\n"),
    ),
    _BASH.at(
        "paste of two lines not entered",
        _UNKNOWN,
        (f"{ESC}[200~echo a\necho b{ESC}[201~", "echo b▮"),
        None,
        ("\r", "\na\nb\n"),
    ),
    _BASH.at(
        "pasting",
        "hold: you are pasting",
        (f"{ESC}[200~echo a", ""),
        None,
        (f"b{ESC}[201~", "echo ab▮"),
        ("\r", "\nab\n"),
    ),
    _BASH.at("read", "xon", ("read x; echo got-$x\r", "got-$x\n▮"), None, ("abc\r", "got-abc\n")),
    _BASH.at(
        "read, half typed",
        "xon",
        ("read x; echo got-$x\r", "got-$x\n▮"),
        ("ab", "ab▮"),
        None,
        ("c\r", "got-abc\n"),
    ),
    _BASH.at(
        "read -s",
        "xon",
        ("read -sp 'secret: ' x; echo got-$x\r", "secret: ▮"),
        ("ab", ""),
        None,
        ("c\r", "got-abc\n"),
    ),
    _BASH.at("read -n1", "xon", ("read -n1 x; echo got-$x\r", "got-$x\n▮"), None, ("y", "got-y\n")),
    _BASH.at(
        "read -e", _UNKNOWN, ("read -e x; echo got-$x\r", "got-$x\n▮"), None, ("abc\r", "got-abc\n")
    ),
    _BASH.at(
        "select",
        "xon",
        ("select x in a b; do echo got-$x; break; done\r", "#? ▮"),
        None,
        ("2\r", "got-b\n"),
    ),
    _BASH.at(
        "[Y/n] as apt asks",
        "xon",
        ("read -p 'Continue? [Y/n] ' x; echo got-$x\r", "[Y/n] ▮"),
        None,
        ("n\r", "got-n\n"),
    ),
    _BASH.at(
        "sleep with type-ahead",
        "xon",
        ("mkfifo f; cat f; echo over\r", "over\n▮"),
        ("echo ahe", "ahe▮"),
        None,
        ("ad\r", "ahead"),
        ("\x03", _PROMPT),
    ),
    _BASH.at(
        "background job ends meanwhile",
        _FRESH,
        ("sleep 1 &\r", "1] "),
        None,
        ("\r", "Done"),
        empty_line=False,
        why_not_allowed="the notice of the job's end comes with any Enter",
    ),
    _BASH.at("prompt, ?1049 and ?7727 left on", _ENDED, (_LEAVE_7727, "\nREADY$ ▮")),
    _BASH.at(
        "other prompt, ?1049 and ?1004 left on",
        _ENDED,
        ("PS1='NOW$ '\r", "NOW$ ▮"),
        (r"printf '\033[?1049h\033[>4;2m\033[?1004h'; sleep 1.5; echo over" "\r", "over\nNOW$ ▮"),
        None,
        ("PS1='READY$ '\r", _PROMPT),
    ),
)
_BACK: tuple[tuple[str, tuple[Step, ...]], ...] = (
    ("^U", (("echo x", "x▮"), ("\x15", _PROMPT))),
    ("^C", (("echo x", "x▮"), ("\x03", f"^C\n{_PROMPT}"))),
    ("erased", (("ec", "ec▮"), ("\x7f\x7f", _PROMPT))),
    ("less, q", (("seq 99 | less\r", ":▮"), ("q", _PROMPT))),
    ("less -X, q", (("seq 99 | less -X\r", ":▮"), ("q", f"\n{_PROMPT}"))),
    ("sleep, ^C", (("sleep 99\r", "99\n▮"), ("\x03", f"^C\n{_PROMPT}"))),
    ("cat, ^D", (("cat\r", "cat\n▮"), ("\x04", f"cat\n{_PROMPT}"))),
    ("Up, ^U", ((f"{ESC}[A", "one▮"), ("\x15", _PROMPT))),
    (
        "another directory",
        (("mkdir d; cd d; PS1='READY$ '\r", _PROMPT), ("echo x", "x▮"), ("\x15", _PROMPT)),
    ),
    ("long output", (("seq 9999\r", f"\n9999\n{_PROMPT}"),)),
    ("vim, :q", (("vim -N -u NONE -i NONE -n\r", "~"), (":q\r", _PROMPT))),
)


def _back(
    program: Program, row: str, *, enters: bool = True, but: tuple[str, ...] = ()
) -> tuple[Case, ...]:
    """Empty prompts that are reached by other keys than Enter."""
    return tuple(
        program.at(state, row, ("echo one\r", f"one\n{_PROMPT}"), *steps, enters=enters)
        for state, steps in _BACK
        if state not in but
    )


_BASH_VI_CASES = (
    _BASH_VI.at("prompt", _FRESH, enters=True),
    _BASH_VI.at("insert, half typed", _TYPED, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _BASH_VI.at(
        "command mode", _TYPED, ("echo hel", "hel▮"), (ESC, "he▮l"), None, ("x\r", "\nhe\n")
    ),
    _BASH_VI.at(
        "d pending",
        _TYPED,
        ("echo hel lo", "lo▮"),
        (ESC, "l▮o"),
        ("d", ""),
        None,
        ("b\r", "\nhel o\n"),
    ),
    _BASH_VI.at(
        "/ search",
        _TYPED,
        (ESC, ""),
        ("/on", "/on▮"),
        None,
        ("\r", "echo one two three"),
        ("\r", "three\nREADY$ echo one two three\none two three\n"),
    ),
)
_OTHER_CASES = (
    _NO_EDITING.at("prompt", "xon"),
    _NO_EDITING.at("half-typed line", "xon", ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _DASH.at("prompt", "xon"),
    _DASH.at("half-typed line", "xon", ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _DASH.at("PS2", "xon", ("echo 'one\r", "more> ▮"), None, ("two'\r", "\none\ntwo\n")),
    _DASH.at("prompt, ?2004 left on", _UNKNOWN, (_LEAVE_2004, _PROMPT)),
    _DASH.at(
        "cat, ?2004 left on",
        _UNKNOWN,
        (_LEAVE_2004, _PROMPT),
        ("cat > got\r", "got\n▮"),
        None,
        ("abc\r", "abc\n▮"),
        (CTRL_D, _PROMPT),
    ),
    _DASH.at("prompt, ?1049 and ?7727 left on", _ENDED, (_LEAVE_7727, "\nREADY$ ▮")),
    _DASH.at("prompt, ?1049 and ?1004 left on", _ENDED, (_LEAVE_1004, "\nREADY$ ▮")),
    _TCSH.at("prompt, ?2004 left on", _UNKNOWN, (_LEAVE_2004, _PROMPT)),
    _TCSH.at("prompt, ?1049 and ?1004 left on", _ENDED, (_LEAVE_1004, "\nREADY$ ▮")),
    MKSH.at("prompt", "xon"),
    MKSH.at("half-typed line", "xon", ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _KSH.at("prompt", _DRAWS),
    _KSH.at("half-typed line", _DRAWS, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _TCSH.at("prompt", "xon"),
    _TCSH.at("half-typed line", "xon", ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _TCSH.at(
        "completion listed",
        "xon",
        ("ls alp", "alp▮"),
        (CTRL_D, "alpha"),
        None,
        ("ha\r", "\nalpha\n"),
    ),
)
_ZSH_CASES = (
    ZSH.at("prompt", _FRESH, enters=True),
    ZSH.at("half-typed line", _TYPED, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    ZSH.at("PS2", _UNKNOWN, ("echo 'one\r", "more> ▮"), None, ("two'\r", "\none\ntwo\n")),
    ZSH.at("here document", _UNKNOWN, ("cat <<E\r", "more> ▮"), None, ("E\r", "READY$ ▮")),
    ZSH.at(
        "incremental search",
        _UNKNOWN,
        ("echo one\r", f"\none\n{_PROMPT}"),
        ("\x12", "bck-i-search: "),
        ("ec", "bck-i-search: ec"),
        None,
        ("\r", "echo one\none"),
    ),
    ZSH.at(
        "region active",
        _TYPED,
        ("echo one", "one▮"),
        ("\x00", ""),
        ("\x02\x02", "o▮ne"),
        None,
        (f"{ESC}w\r", "\none\n"),
    ),
    ZSH.at(
        "menu completion",
        _TYPED,
        ("setopt menu_complete\r", _PROMPT),
        ("ls al\t", "alpha▮"),
        None,
        ("\t", "alpine▮"),
        ("\r", "\nalpine\n"),
    ),
    ZSH.at("prompt, ?1049 and ?7727 left on", _ENDED, (_LEAVE_7727, "\nREADY$ ▮")),
    ZSH.at("right prompt", _UNKNOWN, ("RPROMPT=right\r", "right\n")),
    ZSH.at("read", "xon", ("read x; echo got-$x\r", "got-$x\n▮"), None, ("abc\r", "got-abc\n")),
    ZSH.at("read -q", "xon", ("read -q x; echo got-$x\r", "got-$x\n▮"), None, ("y", "got-y\n")),
    ZSH.at(
        "vared", _UNKNOWN, ("x=; vared x; echo got-$x\r", "got-$x\n▮"), None, ("abc\r", "got-abc\n")
    ),
    _ZSH_VI.at("prompt", _FRESH, enters=True),
    _ZSH_VI.at(
        "command mode", _TYPED, ("echo hel", "hel▮"), (ESC, "he▮l"), None, ("x\r", "\nhe\n")
    ),
    _ZSH_VI.at(
        "visual",
        _TYPED,
        ("echo hel", "hel▮"),
        (ESC, "he▮l"),
        ("vh", "h▮el"),
        None,
        ("d", "echo ▮h"),
        ("\r", "\nh\n"),
    ),
    _ZSH_VI.at(
        "d pending",
        _TYPED,
        ("echo hel lo", "lo▮"),
        (ESC, "l▮o"),
        ("d", ""),
        None,
        ("b\r", "\nhel o\n"),
    ),
)
_FISH_CASES = (
    _PLAIN_FISH.at("prompt", "xon"),
    _PLAIN_FISH.at("half-typed line", "xon", ("echo hel", "hel"), None, ("lo\r", "\nhello\n")),
    _FISH.at("prompt", _FRESH),
    _FISH.at("half-typed line", _TYPED, ("echo hel", "hel"), None, ("lo\r", "\nhello\n")),
    _FISH.at(
        "open block",
        _UNKNOWN,
        ("begin\r", "begin\n"),
        ("echo on", "echo on"),
        None,
        ("e\rend\r", "\none\n"),
    ),
    _FISH.at("read", _UNKNOWN, ("read x; echo got-$x\r", "read> ▮"), None, ("abc\r", "got-abc\n")),
)

CASES: tuple[Case, ...] = (
    *_BASH_CASES,
    *_back(_BASH, _FRESH),
    *_back(ZSH, _FRESH, but=("less -X, q", "sleep, ^C", "^C")),
    *_back(_DASH, "xon", but=("Up, ^U", "erased")),
    *_BASH_VI_CASES,
    *_OTHER_CASES,
    *_ZSH_CASES,
    *_FISH_CASES,
)
