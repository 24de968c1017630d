"""The recordings of tests/harmless/streams.py: which programs, and the states they pass through."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

from tests.harmless.streams import (
    ALIVE,
    DEAD,
    EMPTY,
    KEPT,
    OTHER,
    SCENARIOS,
    TYPED,
    WAITS,
    Recorder,
    shortened,
)

BASH = ("bash", "--noprofile", "--norc", "-i")
_DEBIAN = r"PS1='\[\e]0;\u@\h: \w\a\]\u@\h:\w\$ '"


def _files(home: Path) -> None:
    (home / "text").write_text("".join(f"line {n} of the text\n" for n in range(60)))
    (home / "short").write_text("one two three\nfour five six\n")
    (home / "menu").write_text(
        "while :; do clear; printf '1) web\\n2) db\\nSelect: '; read x; echo got-$x; done\n"
    )
    (home / "plain").write_text("while :; do printf 'host> '; read x; echo got-$x; done\n")
    (home / ".zshrc").write_text("PS1='me@here:~%# '\nbindkey -e\n")
    (home / ".tcshrc").write_text("set prompt='me@here:~> '\n")
    (home / ".mkshrc").write_text("PS1='me@here:~$ '\n")
    (home / ".config/fish").mkdir(parents=True)
    (home / ".local/share/fish/generated_completions").mkdir(parents=True)
    (home / ".config/fish/config.fish").write_text("set fish_greeting\n")


def _start(home: Path, *argv: str, **env: str) -> Recorder:
    _files(home)
    return Recorder(home, *argv, **env)


# What is alive.

_TMUX_STATES = (
    ("echo hel", "half typed"),
    ("\x15", "^U"),
    ("\x03", "^C"),
    ("\r", "Enter"),
    ("ls\r", "ls"),
    ("ls -1 /\r", "ls -1"),
    ("sleep 3\r", "sleep"),
    ("\x03", "sleep, ^C"),
    ("cat\r", "cat"),
    ("abc", "cat, half typed"),
    ("\x04\x04", "cat, ^D"),
    ("\r", "Enter again"),
    ("read -s x\r", "read -s"),
    ("sec", "read -s, half typed"),
    ("ret\r", "after read -s"),
    ("seq 50\r", "seq"),
    ("clear\r", "clear"),
    ("\x0c", "^L"),
    ("less text\r", "less"),
    (" ", "less, next page"),
    ("/of\r", "less, found"),
    ("q", "after less"),
    ("vim -N -u NONE -i NONE -n short\r", "vim"),
    ("jl", "vim, jl"),
    ("ia", "vim, insert"),
    ("\x1b", "vim, Esc"),
    ("\x06", "vim, ^F"),
    (":set number\r", "vim, number"),
    (":q!\r", "after vim"),
    ("top\r", "top"),
    ("q", "after top"),
    ("for i in 1\r", "PS2"),
    ("\x03", "PS2, ^C"),
    ("\x1b[A", "Up"),
    ("\x15", "Up, ^U"),
    ("\x02[", "copy mode"),
    ("k", "copy mode, k"),
    ("q", "after copy mode"),
    ("\x02%", "split"),
    ("\x02o", "other pane"),
    ("exit\r", "pane closed"),
    ("\x02c", "new window"),
    ("exit\r", "window closed"),
)
_TMUX_WAITS = (
    ("\x02", "prefix", "q"),
    ("\x02:", "command prompt", "\x1b"),
    ("\x02:rename-w", "command prompt, half typed", "\x1b"),
    ("\x02w", "choose-tree", "q"),
    ("\x02s", "sessions", "q"),
    ("\x02x", "confirm", "n"),
    ("\x02t", "clock", "q"),
    ("\x02,", "rename", "\x1b"),
    ("\x02D", "clients", "q"),
)


def tmux(
    home: Path, conf: str, shell: str, *, tick: bool = False, prefix: str = "\x02"
) -> Recorder:
    recorder = _start(home, *BASH)
    (home / "tmux.conf").write_text(
        f"set -g display-panes-time 9000\nset -g escape-time 10\n{conf}"
    )
    start = f'TERM=xterm-256color tmux -f ~/tmux.conf -L t new "{shell}"\r'
    recorder.to(start, "start", ALIVE, 2.0)
    for typed, name in _TMUX_STATES:
        keys = typed.replace("\x02", prefix)
        recorder.to(keys, name, ALIVE, 1.2 if tick or name == "top" else 0.45)
        if tick:
            recorder.wait(1.3, 0.0)
            recorder.state(f"{name}, tick", ALIVE)
    for keys, name, ends in _TMUX_WAITS:
        for key in (prefix, keys[1:]):
            if key:
                recorder.type(key)
        recorder.state(name, WAITS)
        if name == "prefix":
            recorder.type(ends, 1.2)
        recorder.to(ends, f"after {name}", ALIVE)
    recorder.type(prefix)
    recorder.to("q", "panes numbered", WAITS)
    return recorder


_IN_BASH = "PS1='in$ ' bash --noprofile --norc"
_IN_DEBIAN = r"PS1='\[\e]0;me@in: ~\a\]me@in:~$ ' bash --noprofile --norc"
_TMUX = {
    "tmux_off": ("set -g status off\n", _IN_BASH),
    "tmux_on": ("set -g status-interval 0\n", _IN_BASH),
    "tmux_debian_off": ("set -g status off\n", _IN_DEBIAN),
    "tmux_debian_on": ("set -g status-interval 0\n", _IN_DEBIAN),
    "tmux_zsh": ("set -g status-interval 0\n", "zsh -d -i"),
    "tmux_dash": ("", "dash -i"),
    "tmux_mouse": ("set -g mouse on\nset -g focus-events on\n", _IN_BASH),
}
for _name, (_conf, _shell) in _TMUX.items():
    SCENARIOS[_name] = partial(tmux, conf=_conf, shell=_shell)
SCENARIOS["tmux_tick"] = partial(
    tmux, conf="set -g status-interval 1\nset -g status-right '%S'\n", shell=_IN_BASH, tick=True
)

_VIM_STATES = (
    ("j", "j"),
    ("l", "l"),
    ("ia", "insert"),
    ("bc", "insert, more"),
    ("\x1b", "Esc"),
    ("x", "x"),
    ("d", "d pending"),
    ("\x1b", "Esc"),
    ("\x06", "^F"),
    ("\x02", "^B"),
    ("\x04", "^D"),
    ("\x15", "^U"),
    ("/two\r", "found"),
    ("v", "visual"),
    ("e", "visual, e"),
    ("\x1b", "Esc"),
    (":set nu", "command line"),
    ("\r", "Enter"),
    ('"', "register"),
    ("\x1b", "Esc"),
    ("qa", "recording"),
    ("q", "recorded"),
    ("o", "open line"),
    ("ne\r", "insert, Enter"),
    ("\x17", "insert, ^W"),
    ("\x0f", "insert, ^O"),
    ("\x1b", "Esc"),
    ("u", "undo"),
    ("G", "G"),
    ("gg", "gg"),
    ("dd", "dd"),
    ("p", "p"),
    (":help\r", "help"),
    (":q\r", "after help"),
    ("\x12", "^R"),
    ("\x0c", "^L"),
    ("zz", "zz"),
    ("R", "replace"),
    ("z", "replace, z"),
    ("\x1b", "Esc"),
    (":!echo hi\r", "shell command"),
    ("\r", "after shell command"),
)


def editor(
    home: Path, command: str, states: tuple[tuple[str, str], ...], shell: tuple[str, ...] = BASH
) -> Recorder:
    recorder = _start(home, *shell)
    recorder.to(f"{command}\r", "start", ALIVE, 2.5)
    for keys, name in states:
        recorder.to(keys, name, ALIVE)
    if "kak" not in command:
        recorder.type("ix")
        recorder.to("\x16", "literal pending", WAITS)
        recorder.to("0", "literal, a digit", WAITS)
        recorder.to("61", "literal, number complete", WAITS)
    return recorder


_EDITORS = {
    "vim_plain": "vim -N -u NONE -i NONE -n short",
    "vim_ruler": "vim -N -u NONE -i NONE -n -c 'set ruler showcmd' text",
    "vim_defaults": "vim -i NONE -n text",
    "vim_status": "vim -N -u NONE -i NONE -n -c 'set laststatus=2 number hlsearch incsearch' text",
    "vim_mouse": "vim -N -u NONE -i NONE -n -c 'set mouse=a' text",
    "nvim_plain": "nvim -u NONE -i NONE -n text",
    "nvim_more": "nvim -u NONE -i NONE -n -c 'set number cursorline mouse=a' short",
}
for _name, _command in _EDITORS.items():
    SCENARIOS[_name] = partial(editor, command=_command, states=_VIM_STATES)
SCENARIOS["kak"] = partial(
    editor,
    command="kak -n text",
    states=(
        ("j", "j"),
        ("x", "x"),
        ("ia", "insert"),
        ("bc", "insert, more"),
        ("\x1b", "Esc"),
        (":ed", "prompt"),
        ("\x1b", "Esc"),
        ("/of\r", "found"),
    ),
)

# What is dead: an outer shell, a program killed below it, and what comes then.


def after(recorder: Recorder, shell: str) -> None:
    """The states of a line program and of what is started from it, with a dead one's modes on."""
    s = recorder
    s.state("prompt", DEAD)
    for keys, name in (
        ("ec", "half typed"),
        ("\x15", "^U"),
        ("\x03", "^C"),
        ("\r", "Enter"),
        ("cat\r", "cat"),
        ("ab", "cat, half typed"),
        ("c\r", "cat, a line"),
        ("\x03", "cat, ^C"),
        ("sh -c 'stty -echo; head -n1; stty echo'\r", "hidden"),
        ("sec", "hidden, half typed"),
        ("ret\r", "after hidden"),
        ("sh -c 'printf \"Password: \"; stty -echo; head -n1; stty echo'\r", "password"),
        ("se", "password, half typed"),
        ("\r", "after password"),
        ("clear\r", "clear"),
        ("\x0c", "^L"),
        ("\x15", "^L, ^U"),
        ("seq 40\r", "seq"),
        ("tput cup 5 5; cat\r", "tput cup; cat"),
        ("x", "tput cup; cat, half typed"),
        ("\x03", "tput cup; cat, ^C"),
        ("less -X text\r", "less -X"),
        (" ", "less -X, next page"),
        ("q", "after less -X"),
        ("printf '\\033[1;20r\\033[24;1Hprogress\\033[10;1H'; cat\r", "progress; cat"),
        ("x", "progress; cat, half typed"),
        ("\x03", "progress; cat, ^C"),
        ("top\r", "top"),
        ("h", "top, help"),
        ("q", "top, back"),
        ("q", "after top"),
        ("sqlite3\r", "sqlite3"),
        ("sel", "sqlite3, half typed"),
        ("\x15", "sqlite3, ^U"),
        ("\x04", "after sqlite3"),
        ("sh menu\r", "menu, clear"),
        ("1", "menu, clear, half typed"),
        ("\r", "menu, clear, again"),
        ("\x03", "after menu"),
        ("sh plain\r", "menu"),
        ("1", "menu, half typed"),
        ("\r", "menu, again"),
        ("\x03", "after menu"),
        ("less text\r", "less"),
        (" ", "less, next page"),
    ):
        s.to(keys, name, DEAD, 1.0 if name == "top" else 0.45)
    s.to("q", "after less", EMPTY)  # it has shown the main screen again
    s.to("\x1b[A", "Up", TYPED)
    s.to("\x15", "Up, ^U", EMPTY)


def dead(
    home: Path, shell: tuple[str, ...], inner: str, *kills: str, silent: bool = False
) -> Recorder:
    env = {"PS1": "me@here:~$ "}
    recorder = _start(home, *shell, **env)
    (home / "tmux.conf").write_text("")
    command = f'sh -c "{inner}" 2>/dev/null; true' if silent else inner
    recorder.to(f"{command}\r", "start", ALIVE, 2.5)
    recorder.type("j" if "vi" in inner else "echo hi\r")
    recorder.kill(*kills)
    after(recorder, shell[0])
    return recorder


_SHELLS = {
    "bash": BASH,
    "dash": ("dash", "-i"),
    "zsh": ("zsh", "-d", "-i"),
    "fish": ("fish", "--private"),
    "mksh": ("mksh", "-i"),
    "ksh93": ("ksh93", "-i"),
    "tcsh": ("tcsh",),
    "noediting": ("bash", "--noprofile", "--norc", "--noediting", "-i"),
}
_INNER = {
    "tmux": (
        "tmux -f ~/tmux.conf -L t new 'PS1=in$\\  exec bash --noprofile --norc'",
        "tmux: server",
        "tmux: client",
    ),
    "vim": ("vim -N -u NONE -i NONE -n text", "vim"),
    "nvim": ("nvim -u NONE -i NONE -n text", "nvim"),
}
for _outer, _argv in _SHELLS.items():
    for _name, (_command, *_kills) in _INNER.items():
        if _name == "tmux" and _outer in ("tcsh", "fish"):
            _command = "tmux -f /dev/null -L t new 'exec bash --noprofile --norc'"
        SCENARIOS[f"dead_{_name}_{_outer}"] = partial(
            lambda home, a, c, k: dead(home, a, c, *k), a=_argv, c=_command, k=_kills
        )
for _outer in ("bash", "dash", "mksh"):
    SCENARIOS[f"silent_vim_{_outer}"] = partial(
        lambda home, a: dead(home, a, "vim -N -u NONE -i NONE -n text", "vim", silent=True),
        a=_SHELLS[_outer],
    )
    SCENARIOS[f"silent_tmux_{_outer}"] = partial(
        lambda home, a: dead(
            home,
            a,
            "tmux -f /dev/null -L t new 'exec bash --noprofile --norc'",
            "tmux: server",
            "tmux: client",
            silent=True,
        ),
        a=_SHELLS[_outer],
    )


# What is empty, and what is not.

_COMMON = (
    ("ec", "half typed", TYPED),
    ("\x15", "^U", EMPTY),
    ("true\r", "true", EMPTY),
    ("\r", "Enter", EMPTY),
    ("ls\r", "ls", EMPTY),
    ("\x03", "^C", EMPTY),
    ("ab\x03", "ab ^C", EMPTY),
    ("ec", "half typed again", TYPED),
    ("\x7f\x7f", "erased", EMPTY),
    ("\x1b[A", "Up", TYPED),
    ("\x15", "Up, ^U", EMPTY),
    ("\x0c", "^L", EMPTY),
    ("\r", "^L, Enter", EMPTY),
    ("cat\r", "cat", OTHER),
    ("x", "cat, half typed", OTHER),
    ("\x03", "cat, ^C", EMPTY),
    ("cat\r", "cat", OTHER),
    ("\x04", "cat, ^D", EMPTY),
    ("less text\r", "less", OTHER),
    ("q", "after less", EMPTY),
    ("less -X text\r", "less -X", OTHER),
    ("q", "after less -X", EMPTY),
    ("top\r", "top", OTHER),
    ("q", "after top", EMPTY),
    ("sleep 1\r", "sleep", OTHER),
    ("\x03", "sleep, ^C", EMPTY),
    ("seq 60\r", "seq", EMPTY),
    ("printf abc\r", "no newline", EMPTY),
    ("\r", "Enter", EMPTY),
    ("clear\r", "clear", EMPTY),
    ("vim -N -u NONE -i NONE -n short\r", "vim", OTHER),
    (":q\r", "after vim", EMPTY),
    ("echo 'on\r", "PS2", OTHER),
    ("\x03", "PS2, ^C", EMPTY),
    ("sh plain\r", "menu", OTHER),
    ("1", "menu, half typed", OTHER),
    ("\r", "menu, again", OTHER),
    ("\x03", "menu, ^C", EMPTY),
    ("sqlite3\r", "sqlite3", OTHER),
    ("sel\x15", "sqlite3, ^U", OTHER),
    ("\x04", "after sqlite3", EMPTY),
    ("bc -q\r", "bc", OTHER),
    ("1\r", "bc, a line", OTHER),
    ("\x04", "after bc", EMPTY),
    ("python3 -q -c 'input(\"> \")'\r", "question", OTHER),
    ("y", "question, half typed", OTHER),
    ("\r", "after question", EMPTY),
    ("cd /tmp\r", "cd", EMPTY),
    ("true\r", "cd, true", EMPTY),
    ("cat\r", "cd, cat", OTHER),
    ("\x03", "cd, cat, ^C", EMPTY),
    ("cd\r", "cd back", EMPTY),
    ("ec\x01", "home", TYPED),
    ("\x0b", "^A ^K", EMPTY),
    ("true \x1b", "Esc", TYPED),
    ("\x15", "Esc ^U", TYPED),
    ("\r", "Enter", EMPTY),
    ("sh -c 'stty -echo; head -n1; stty echo'\r", "hidden", OTHER),
    ("se", "hidden, half typed", OTHER),
    ("\r", "after hidden", EMPTY),
    ("sh -c 'printf \"Password: \"; stty -echo; head -n1; stty echo'\r", "password", OTHER),
    ("se", "password, half typed", OTHER),
    ("\x15", "password, ^U", OTHER),
    ("\r", "after password", EMPTY),
    ("stty -echo\r", "no echo", EMPTY),
    ("ec", "no echo, half typed", OTHER),
    ("\x15", "no echo, ^U", EMPTY),
    ("stty echo\r", "echo", EMPTY),
    ("true\r", "echo, true", EMPTY),
)
_ONLY_BASH = (
    ("read x\r", "read", OTHER),
    ("ab", "read, half typed", OTHER),
    ("\r", "after read", EMPTY),
    ("read -e -p '> ' x\r", "read -e", OTHER),
    ("ab", "read -e, half typed", OTHER),
    ("\r", "after read -e", EMPTY),
    ("read -n1 x\r", "read -n1", OTHER),
    ("y", "after read -n1", EMPTY),
    ("ls t\t\t", "completed", TYPED),
    ("\x15", "completed, ^U", TYPED),
    ("\r", "Enter", EMPTY),
    ("\x12", "search", TYPED),
    ("tr", "search, half typed", TYPED),
    ("\x07", "search, ^G", EMPTY),
    ("\x16", "literal", TYPED),
    ("\x01\x15", "literal, ^U", TYPED),
    ("\r", "Enter", EMPTY),
    ("select x in a b; do break; done\r", "select", OTHER),
    ("1\r", "after select", EMPTY),
    ("cat <<E\r", "here document", TYPED),
    ("one\r", "here document, a line", TYPED),
    ("E\r", "after here document", EMPTY),
)


def prompts(
    home: Path,
    argv: tuple[str, ...],
    ps1: str,
    *,
    more: tuple[tuple[str, str, str], ...] = (),
    setup: str = "",
) -> Recorder:
    _files(home)
    if setup:
        (home / "rc").write_text(setup)
        argv = (
            (argv[0], "--noprofile", "--rcfile", str(home / "rc"), "-i")
            if argv[0] == "bash"
            else argv
        )
    recorder = Recorder(home, *argv, PS1=ps1)
    recorder.state("login", EMPTY)
    lines = argv[0] == "dash" or "--noediting" in argv
    # ^L and ^A are characters to a shell without a line editor; tcsh asks for no second line.
    others = {"^L": TYPED, "^A ^K": TYPED} if lines else {"PS2": EMPTY} if argv[0] == "tcsh" else {}
    for keys, name, what in (*_COMMON, *more):
        if "-o" in argv and name == "^L":
            recorder.type("\x15")
        long = name in ("top", "sqlite3", "question", "after vim", "vim")
        recorder.type(keys, 1.0 if long else 0.45)
        if "sleep" in setup:
            recorder.wait(0.5)
        recorder.state(name, others.get(name, what))
    return recorder


_PROMPTS = {
    "plain": "me$ ",
    "debian": r"\[\e]0;\u@\h: \w\a\]\u@\h:\w\$ ",
    "two_lines": "[\\t] \\w\n$ ",
    "counter": r"\! me@here \$? $? \$ ",
    "clock": r"\A me@here:\w\$ ",
    "colour": r"\[\e[32m\]me@here\[\e[0m\]:\w\$ ",
    "marks": r"\[\e]133;A\a\]me@here \w\$ \[\e]133;B\a\]",
}
for _name, _ps1 in _PROMPTS.items():
    SCENARIOS[f"bash_{_name}"] = partial(prompts, argv=BASH, ps1=_ps1, more=_ONLY_BASH)
for _name in ("zsh", "dash", "mksh", "ksh93", "tcsh", "fish", "noediting"):
    SCENARIOS[f"prompt_{_name}"] = partial(prompts, argv=_SHELLS[_name], ps1="me@here:~$ ")
SCENARIOS["bash_vi"] = partial(prompts, argv=(*BASH, "-o", "vi"), ps1="me@here:~$ ")
SCENARIOS["bash_slow"] = partial(
    prompts, argv=BASH, ps1="", setup="PS1='me@here:~$ '\nPROMPT_COMMAND='sleep 0.3'\n"
)
SCENARIOS["bash_right"] = partial(
    prompts,
    argv=BASH,
    ps1="",
    setup="PS1='\\[\\e7\\e[60Cright\\e8\\]me@here:~$ '\n",
)


# What the rules were not tuned on: recorded after they were written, and left as they are.

_NESTED = (
    "ssh -F /dev/null -i ~/key -tt -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no"
    " -o LogLevel=ERROR -o ProxyCommand='/usr/sbin/sshd -i -f ~/sshd_config' root@nested"
)


def cut_off(
    home: Path, shell: tuple[str, ...], inner: str, *ends: str, words: bool = True
) -> Recorder:
    """A program below an ssh whose connection ends."""
    recorder = _start(home, *shell)
    (home / "tmux.conf").write_text("")
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(home / "key")], check=True
    )
    (home / "sshd_config").write_text(
        f"HostKey {home}/key\nAuthorizedKeysFile {home}/key.pub\nStrictModes no\nUsePAM no\n"
        f"PermitRootLogin prohibit-password\nPidFile none\nSetEnv HOME={home}\n"
    )
    inner = f"cd {home}; TMUX_TMPDIR={home} {inner}"
    quiet = "" if words else " 2>/dev/null"
    nested = _NESTED.replace("~", str(home))
    (home / "nested").write_text(f'exec {nested} "{inner}"{quiet}\n')
    recorder.type("sh nested\r")
    recorder.wait(3.0, 0.5)
    recorder.state("start", ALIVE)
    recorder.type("j" if "vi" in inner or "kak" in inner else "echo hi\r")
    for end in ends:
        if end == "~.":
            recorder.type("\r")
            recorder.type("~.", 1.5)
        else:
            recorder.kill(end, first=2.0)
    after(recorder, shell[0])
    return recorder


_OTHER_INNER = {
    "tmux": "tmux -f ~/tmux.conf -L t new bash --noprofile --norc",
    "vim": "vim -i NONE -n text",
    "nvim": "nvim -u NONE -i NONE -n short",
    "kak": "kak -n text",
}
_OTHER_ENDS = {"sshd": ("sshd",), "ssh": ("ssh",), "escape": ("~.",)}
for _number, (_outer, _argv) in enumerate(_SHELLS.items()):
    for _offset, (_name, _command) in enumerate(_OTHER_INNER.items()):
        _how = list(_OTHER_ENDS)[(_number + _offset) % 3]
        SCENARIOS[f"other_cut_{_name}_{_outer}"] = partial(
            lambda home, a, c, e, w: cut_off(home, a, c, *e, words=w),
            a=_argv,
            c=_command,
            e=_OTHER_ENDS[_how],
            w=bool((_number + _offset) % 2),
        )
_OTHER_TMUX = {
    "fish": ("", "fish --private"),
    "mksh": ("set -g status-interval 0\n", "mksh -i"),
    "ksh93": ("set -g status off\n", "ksh93 -i"),
    "tcsh": ("", "tcsh"),
    "top": ("set -g status-position top\nset -g mouse on\n", _IN_DEBIAN),
    "keys": ("set -g prefix C-a\nbind a send-prefix\nset -g focus-events on\n", _IN_BASH),
}
for _name, (_conf, _shell) in _OTHER_TMUX.items():
    _keys = "\x01" if _name == "keys" else "\x02"
    SCENARIOS[f"other_tmux_{_name}"] = partial(tmux, conf=_conf, shell=_shell, prefix=_keys)
_OTHER_EDITORS = {
    "vim_wrap": "vim -N -u NONE -i NONE -n -c 'set list wrap showmode showcmd' text",
    "vim_lines": "vim -i NONE -n -c 'set relativenumber cursorline colorcolumn=20' short",
    "vim_dark": "vim -N -u NONE -i NONE -n -c 'syntax on' -c 'set ruler background=dark' menu",
    "nvim_bare": "nvim -u NONE -i NONE -n -c 'set noshowmode noruler' text",
    "nvim_split": "nvim -u NONE -i NONE -n -o text short",
    "view": "view -i NONE -n text",
}
for _name, _command in _OTHER_EDITORS.items():
    SCENARIOS[f"other_{_name}"] = partial(editor, command=_command, states=_VIM_STATES)
_OTHER_PROMPTS = {
    "root": r"[\u@\h \W]# ",
    "arrow": "\\w\n❯ ",
    "title_colour": r"\[\e]2;\w\a\e[1;34m\]\w \[\e[31m\]»\[\e[0m\] ",
    "wide": "x" * 60 + "$ ",
    "jobs": r"\j \s-\v\$ ",
    "date": r"\D{%H:%M:%S} \u \$ ",
    "leading": r"\n\w\n\u\$ ",
}
for _name, _ps1 in _OTHER_PROMPTS.items():
    SCENARIOS[f"other_bash_{_name}"] = partial(prompts, argv=BASH, ps1=_ps1, more=_ONLY_BASH)


def main(names: list[str]) -> None:
    KEPT.mkdir(exist_ok=True)
    for name in names or list(SCENARIOS):
        with tempfile.TemporaryDirectory(prefix="streams-") as home:
            recorder = SCENARIOS[name](Path(home))
            recorder.wait(0.1)
            recorder.close()
            events = [shortened(event) for event in recorder.events]
            lines = ",\n".join(json.dumps(event) for event in events)
            (KEPT / f"{name}.json").write_text(f"[\n{lines}\n]\n")
        states = [event for event in recorder.events if event[1] == "s"]
        print(f"{name}: {len(states)} states", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
