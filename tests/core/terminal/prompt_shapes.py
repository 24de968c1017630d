"""Prompts of real shells: how to start each, and what one printed when it was captured.

`python -m tests.core.terminal.prompt_shapes` starts every shell under a pty, types the same lines
into each and writes what came back to prompt_shapes.json, which the tests of the core read.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

_CAPTURED = Path(__file__).with_suffix(".json")
_QUIET = 0.5  # seconds without output after which a shell has said all it had to say
_STEPS = {"empty": "\r", "empty_again": "\r", "command": "echo hi\r", "empty_after": "\r"}


@dataclass(frozen=True)
class Shape:
    """A program at its prompt. `{home}` in `argv` and `env` is the directory of its `files`."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    redraws: bool = True  # it answers Enter with a newline and the same prompt
    same_after: bool = True  # and has the same prompt again after a command


@dataclass(frozen=True)
class Capture:
    """What a shape printed: at login, then in reply to each line."""

    login: bytes
    empty: bytes
    empty_again: bytes
    command: bytes
    empty_after: bytes


_BASH = ("bash", "--norc", "--noprofile")
_OSC_133 = {
    "PROMPT_COMMAND": r"""printf '\033]133;D;%s\033\\' "$?" """,
    "PS0": r"\e]133;C\e\\",
    "PS1": r"\[\e]133;A\e\\\]u$ \[\e]133;B\e\\\]",
}

_KEYPAD = (
    "zle-line-init() { echoti smkx }\nzle-line-finish() { echoti rmkx }\n"
    "zle -N zle-line-init\nzle -N zle-line-finish\n"
)


def _bash(name: str, ps1: str, *options: str, redraws: bool = True, **env: str) -> Shape:
    return Shape(f"bash {name}", (*_BASH, *options), {"PS1": ps1, **env}, redraws=redraws)


def _bash_rc(name: str, text: str) -> Shape:
    argv = ("bash", "--noprofile", "--rcfile", "{home}/rc")
    return Shape(f"bash {name}", argv, files={"rc": text})


def _zsh(name: str, text: str, *, redraws: bool = True, **env: str) -> Shape:
    return Shape(f"zsh {name}", ("zsh", "-d"), env, {".zshrc": text}, redraws=redraws)


def _mksh(name: str, text: str, *, same_after: bool = True) -> Shape:
    env, files = {"ENV": "{home}/rc"}, {"rc": text}
    return Shape(f"mksh {name}", ("mksh", "-i"), env, files, same_after=same_after)


def _ksh(name: str, ps1: str, *options: str) -> Shape:
    return Shape(f"ksh93 {name}", ("ksh93", "-i", *options), {"PS1": ps1, "ENV": "/dev/null"})


def _tcsh(name: str, text: str) -> Shape:
    return Shape(f"tcsh {name}", ("tcsh",), files={".tcshrc": text})


SHAPES = (
    _bash("plain", "$ "),
    _bash("coloured", r"\[\e[01;32m\]u@h\[\e[00m\]:\[\e[01;34m\]\w\[\e[00m\]\$ "),
    _bash("title", r"\[\e]0;u@h: \w\a\]u@h:\w\$ "),
    _bash("two lines", r"u@h\n\$ "),
    _bash("blank line, colours", r"\n\[\e[36m\]\w\[\e[0m\]\n\[\e[35m\]❯\[\e[0m\] "),
    _bash("osc 133 in ps1", r"\[\e]133;A\a\]u$ \[\e]133;B\a\]"),
    Shape("bash osc 133 with c and d", _BASH, _OSC_133),
    _bash("clock", r"\t \$ "),
    _bash("am pm", r"[\@] \$ "),
    _bash("date", r"\D{%Y-%m-%d} \$ "),
    _bash("prompt_command title", "$ ", PROMPT_COMMAND=r"printf '\033]0;u@h\007'"),
    _bash("prompt_command line", "$ ", PROMPT_COMMAND="echo ready"),
    _bash("prompt_command osc 7", "$ ", PROMPT_COMMAND=r"printf '\033]7;file://h/\033\\'"),
    _bash("wider than the screen", "x" * 100 + "$ "),
    _bash("right prompt, saved cursor", r"\[\e7\e[60Cright\e8\]left\$ "),
    Shape("bash history number", _BASH, {"PS1": r"[\!] \$ "}, same_after=False),
    _bash("colour left on", r"\[\e[1m\]$ "),
    _bash("bell", r"\a$ "),
    _bash("leading newline", r"\n$ "),
    _bash("linux console", "$ ", TERM="linux"),
    _bash("dumb terminal", "$ ", TERM="dumb"),
    _bash("posix", "$ ", "--posix"),
    _bash("noediting", "u@h$ ", "--noediting"),
    _bash("noediting, two lines", r"a\nb$ ", "--noediting"),
    _bash("noediting, coloured", r"\[\e[31m\]b$ \[\e[0m\]", "--noediting"),
    _bash_rc("vi mode shown", "set -o vi\nbind 'set show-mode-in-prompt on'\nPS1='$ '\n"),
    _bash_rc("no bracketed paste", "bind 'set enable-bracketed-paste off'\nPS1='u@h:\\w$ '\n"),
    _bash_rc("keypad", "bind 'set enable-keypad on'\nPS1='$ '\n"),
    _zsh("plain", "PS1='%# '\n"),
    _zsh("coloured", "PS1='%F{green}u@h%f:%F{blue}%~%f%# '\n"),
    _zsh("right prompt", "PS1='%# '\nRPROMPT='[right]'\n"),
    _zsh("transient right prompt", "setopt transient_rprompt\nPS1='%# '\nRPROMPT=right\n"),
    _zsh("right clock", "PS1='%# '\nRPROMPT='%*'\n"),
    _zsh("two lines", "PS1=$'%~\\n%# '\n"),
    _zsh("clock", "PS1='%* %# '\n"),
    _zsh("no prompt_sp", "unsetopt prompt_sp\nPS1='%# '\n"),
    _zsh("no prompt_cr", "unsetopt prompt_cr prompt_sp\nPS1='%# '\n"),
    _zsh("title", "precmd() { print -n '\\e]0;t\\a' }\nPS1='%# '\n"),
    _zsh("blank line", "precmd() { print }\nPS1='%# '\n"),
    _zsh("vi mode", "bindkey -v\nPS1='%# '\n"),
    _zsh("no bracketed paste", "unset zle_bracketed_paste\nPS1='%# '\n"),
    _zsh("keypad", _KEYPAD + "PS1='%# '\n"),
    _zsh("keypad, transient", _KEYPAD + "setopt transient_rprompt\nPS1='%# '\nRPROMPT=r\n"),
    _zsh(
        "osc 133",
        "precmd() { print -n '\\e]133;D\\a' }\npreexec() { print -n '\\e]133;C\\a' }\n"
        "PS1=$'%{\\e]133;A\\a%}%# %{\\e]133;B\\a%}'\n",
    ),
    _zsh("without zle", "unsetopt zle\nPS1='%# '\n"),
    _zsh("in screen", "PS1='%# '\n", TERM="screen"),
    _zsh("linux console", "PS1='%# '\n", TERM="linux"),
    _zsh("dumb terminal", "PS1='%# '\n", TERM="dumb"),
    _ksh("plain", "$ "),
    _ksh("emacs", "u@h$ ", "-o", "emacs"),
    _ksh("vi", "u@h$ ", "-o", "vi"),
    _ksh("no editing", "u@h$ ", "+o", "emacs", "+o", "vi"),
    _ksh("two lines", "a\nb$ ", "-o", "emacs"),
    _ksh("coloured", "\x1b[32mb$ \x1b[0m", "-o", "emacs"),
    _ksh("title", "\x1b]0;t\x07$ "),
    _mksh("plain", "PS1='$ '\n"),
    _mksh("vi", "set -o vi\nPS1='u@h$ '\n"),
    _mksh("no editing", "set +o emacs +o vi\nPS1='u@h$ '\n"),
    _mksh("two lines", "PS1=$'a\\nb$ '\n"),
    _mksh("coloured", "PS1=$'\\001\\r\\001\\e[32m\\001b$ \\001\\e[0m\\001'\n"),
    _mksh("history number", "PS1='!:$ '\n", same_after=False),
    Shape("dash plain", ("dash", "-i"), {"PS1": "$ "}),
    Shape("dash two lines", ("dash", "-i"), {"PS1": "a\nb$ "}),
    Shape("dash leading newline", ("dash", "-i"), {"PS1": "\n$ "}),
    Shape("dash coloured", ("dash", "-i"), {"PS1": "\x1b[32mb$ \x1b[0m"}),
    _tcsh("plain", "set prompt='%# '\n"),
    _tcsh("coloured", "set prompt='%{\\033[32m%}u@h%{\\033[0m%}:%~%# '\n"),
    _tcsh("bold", "set prompt='%Bh%b%# '\n"),
    _tcsh("clock", "set prompt='%P %# '\n"),
    _tcsh("two lines", "set prompt='%~\\n%# '\n"),
    _tcsh("right prompt", "set prompt='%# '\nset rprompt='right'\n"),
    _tcsh("no editing", "unset edit\nset prompt='%# '\n"),
    # These answer Enter with more than their prompt, or with another one.
    _bash("background job", "$ ", PROMPT_COMMAND="sleep 0.01 &", redraws=False),
    Shape(
        "bash counter",
        _BASH,
        {"PS1": "<$n>$ ", "PROMPT_COMMAND": "n=$((n+1))"},
        redraws=False,
        same_after=False,
    ),
    _zsh(
        "enter runs a command",
        "magic() { [[ -z $BUFFER ]] && BUFFER='echo magic'; zle .accept-line }\n"
        "zle -N accept-line magic\nPS1='%# '\n",
        redraws=False,
    ),
    Shape(
        "fish",
        ("fish", "--no-config", "-C", "function fish_prompt; echo -n 'u@h> '; end"),
        {"XDG_CONFIG_HOME": "{home}"},
        redraws=False,
    ),
)


def captured() -> dict[str, Capture]:
    """What each shape printed, by its name."""
    stored = json.loads(_CAPTURED.read_text("utf-8"))
    return {
        name: Capture(**{step: text.encode("latin-1") for step, text in printed.items()})
        for name, printed in stored.items()
    }


def capture(shape: Shape) -> Capture:
    """Start it at 24 × 80 and type the lines. Raises pexpect.EOF when it ends by itself."""
    import pexpect

    home = tempfile.mkdtemp()
    try:
        for name, text in shape.files.items():
            Path(home, name).write_text(text, "utf-8")
        env = {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "HOME": home, "ZDOTDIR": home}
        env |= {name: text.replace("{home}", home) for name, text in shape.env.items()}
        argv = [word.replace("{home}", home) for word in shape.argv]
        child = pexpect.spawn(argv[0], argv[1:], env=env, cwd=home, dimensions=(24, 80))
        printed = {"login": _all_it_says(child)}
        for step, line in _STEPS.items():
            child.send(line)
            printed[step] = _all_it_says(child)
        child.close(force=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    return Capture(**printed)


def _all_it_says(child: object) -> bytes:
    import pexpect

    said = b""
    while True:
        try:
            said += child.read_nonblocking(65536, timeout=_QUIET if said else 10)  # type: ignore[attr-defined]
        except pexpect.TIMEOUT:
            return said


def main() -> None:
    printed = {shape.name: vars(capture(shape)) for shape in SHAPES}
    stored = {
        name: {step: data.decode("latin-1") for step, data in steps.items()}
        for name, steps in printed.items()
    }
    _CAPTURED.write_text(json.dumps(stored, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
