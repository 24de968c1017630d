"""tmux and screen, and programs inside them."""

from __future__ import annotations

from tests.harmless.case import END, ESC, Case, Program

_SWALLOWED = "tmux"
_PREFIX = "hold: the last key may have been tmux's prefix"
_OVERLAY = "hold: tmux may show a list or a question that takes any key"
_BROKEN = "hold: the program that asked for focus reports may have ended"
_LITERAL = "hold: the last key may quote the next one, as ^V does"
_NOTHING = "hold: no input is known to be harmless here"
_START = "tmux -f ~/tmux.conf -L harmless"
_INSIDE = "inside$ ▮"
_CONF = """\
set -g status-right ''
set -g status-interval 0
set -g escape-time 10
set -g display-panes-time 60000
set -g automatic-rename off
set -g default-command 'PS1="inside$ " exec bash --noprofile --norc -i'
"""

_TMUX = Program(
    name="tmux",
    command=_START,
    starts=(("", "inside$ ▮"), ("", "[0] 0:")),
    ends=(("echo sum$((40+2)) | tee -a ran\r", f"\nsum42\n{_INSIDE}"), ("exit\r", END)),
    files={"~/tmux.conf": _CONF},
)
# tmux as it comes: what draws its clock proves that it has not died.
_TMUX_CLOCK = Program(
    name="tmux (clock)",
    command=_START,
    starts=_TMUX.starts,
    ends=_TMUX.ends,
    files={"~/tmux.conf": f"{_CONF}set -g status-interval 1\nset -g status-right '%S'\n"},
    masks=(r"(?<=  )\d\d$",),
    why_masked="the clock",
)
_TMUX_FOCUS = Program(
    name="tmux (focus-events)",
    command=_START,
    starts=_TMUX.starts,
    ends=_TMUX.ends,
    files={"~/tmux.conf": f"{_CONF}set -g focus-events on\n"},
)
_TMUX_KEYS = Program(
    name="tmux (own keys)",
    command=_START,
    starts=_TMUX.starts,
    ends=_TMUX.ends,
    files={
        "~/tmux.conf": _CONF
        + "bind -n '#' switch-client -T mine\n"
        + "bind -T mine x rename-window yes\n"
        + "set -g prefix2 M-a\n"
        + "bind -n F5 command-prompt -p name 'rename-window %%'\n"
    },
)
_SCREEN = Program(
    name="screen",
    command="screen -c ~/screenrc env PS1='inside$ ' bash --noprofile --norc -i",
    starts=(("", "inside$ ▮"),),
    ends=(("echo sum$((40+2)) | tee -a ran\r", f"\nsum42\n{_INSIDE}"), ("exit\r", END)),
    files={"~/screenrc": "startup_message off\nvbell off\ndeflogin off\n"},
)


def _states(tmux: Program) -> tuple[Case, ...]:
    return (
        tmux.at("prompt", _SWALLOWED),
        tmux.at("half-typed line", _SWALLOWED, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
        tmux.at(
            "prefix pending",
            _PREFIX,
            ("\x02", ""),
            None,
            (":", ":▮"),
            ("rename-window new\r", "0:new*"),
        ),
        tmux.at("copy mode", _SWALLOWED, ("\x02[", "[0/"), None, ("q", "inside$ ▮")),
        tmux.at(
            "command prompt, half typed",
            _OVERLAY,
            ("\x02:", ":▮"),
            ("rename-w", ":rename-w▮"),
            None,
            ("indow new\r", "0:new*"),
        ),
        tmux.at(
            "panes numbered",
            _OVERLAY,
            ("\x02%", "│inside$ ▮"),
            ("\x02q", ""),
            None,
            (" ", ""),
            ("exit\r", "inside$ ▮\n\n"),
            ("", "[0] 0:"),
        ),
        tmux.at("choose-tree", _OVERLAY, ("\x02w", "(0)"), None, ("q", "inside$ ▮")),
        tmux.at("confirmation", _OVERLAY, ("\x02x", "kill-pane"), None, ("n", "inside$ ▮")),
        tmux.at(
            "cat, half typed",
            _BROKEN,
            ("cat > got\r", "got\n▮"),
            ("ab", "ab▮"),
            None,
            ("c\r\x04", "inside$ ▮"),
        ),
        tmux.at(
            "less",
            _SWALLOWED,
            ("seq 100 | less\r", "\n22\n:▮"),
            None,
            (" ", "\n44\n:▮"),
            ("q", "inside$ ▮"),
        ),
        tmux.at(
            "read -n1",
            _BROKEN,
            ("read -n1 x; echo got-$x\r", "got-$x\n▮"),
            None,
            ("y", "got-y\n"),
        ),
        tmux.at(
            "vim, insert",
            _SWALLOWED,
            ("vim -N -u NONE -i NONE -n text\r", "[New]"),
            ("ione", "one▮"),
            None,
            (f"{ESC}", "on▮e"),
            (":wq\r", "inside$ ▮"),
        ),
    )


# What nobody had tried: each entered by other keys, and left by the key that it waits for.
_MORE: tuple[Case, ...] = (
    _TMUX.at(
        "panes numbered, as soon as shown",
        _OVERLAY,
        ("\x02%", "│inside$ ▮"),
        ("clear\r", "│inside$ ▮"),
        ("\x02q", ""),
        None,
        ("0", ""),
        ("echo left\r", "\nleft "),
        ("exit\r", "inside$ ▮\n\n"),
        ("", "[0] 0:"),
    ),
    _TMUX.at("sessions", _OVERLAY, ("\x02s", "(0)"), None, ("q", "inside$ ▮")),
    _TMUX.at("clock", _OVERLAY, ("\x02t", ""), None, ("q", "inside$ ▮")),
    _TMUX.at("menu", _OVERLAY, ("\x02<", "Swap Left"), None, ("q", "inside$ ▮")),
    _TMUX.at(
        "popup",
        _SWALLOWED,
        ("\x02:", ":▮"),
        ("display-popup -E 'cat > got'\r", "┌"),
        None,
        ("abc\r\x04", "inside$ ▮"),
    ),
    _TMUX.at(
        "question",
        _OVERLAY,
        ("\x02:", ":▮"),
        ("confirm-before 'rename-window yes'\r", "(y/n)"),
        None,
        ("y", "0:yes*"),
    ),
    _TMUX.at(
        "window index asked",
        _OVERLAY,
        ("\x02'", "index"),
        None,
        ("0\r", "inside$ ▮"),
    ),
    _TMUX.at(
        "rename, half typed",
        _OVERLAY,
        ("\x02,", "(rename-window)"),
        ("\x15ne", "ne▮"),
        None,
        ("w\r", "0:new*"),
    ),
    _TMUX.at(
        "search in copy mode",
        _OVERLAY,
        ("\x02[", "[0/"),
        ("\x12ins", "ins"),
        None,
        (ESC, ""),
        ("q", "inside$ ▮"),
    ),
    _TMUX.at("help", _SWALLOWED, ("\x02?", "C-b C-b"), None, ("q", "inside$ ▮")),
    _TMUX.at(
        "vim, insert, ^V pending",
        _LITERAL,
        ("vim -N -u NONE -i NONE -n text\r", "[New]"),
        ("ione", "one▮"),
        ("\x16", "one▮^"),
        None,
        ("\x01", "^A▮"),
        (ESC, "one▮"),
        (":wq\r", "inside$ ▮"),
    ),
    _TMUX.at(
        "vim, a register awaited",
        _PREFIX,
        ("vim -N -u NONE -i NONE -n text\r", "[New]"),
        ("ione", "one▮"),
        (ESC, "on▮e"),
        ('"', ""),
        None,
        ("ayy", ""),
        ('"ap', "one\n▮one"),
        (":wq\r", "inside$ ▮"),
    ),
)

_ON_SCREEN = ("0", ""), ("echo left\r", "\nleft\n")

# Opened without a prefix: by a command, typed or of a hook, or by a key of the user's own table.
_UNASKED: tuple[Case, ...] = (
    _TMUX.at(
        "panes numbered by a typed command",
        _OVERLAY,
        ("tmux display-panes -d 60000\r", ""),
        None,
        *_ON_SCREEN,
    ),
    _TMUX.at(
        "tree by a typed command", _OVERLAY, ("tmux choose-tree\r", "(0)"), None, ("q", _INSIDE)
    ),
    _TMUX.at(
        "any key asked for by a typed command",
        _OVERLAY,
        ("tmux command-prompt -b -k -p name 'rename-window x%%'\r", "name"),
        None,
        ("a", "0:xa*"),
    ),
    _TMUX.at(
        "a message that stays until a key",
        _OVERLAY,
        ("tmux display-message -d 0 there\r", "\nthere"),
        None,
        ("x", "x▮"),
        ("\x7f", _INSIDE),
    ),
    _TMUX.at(
        "popup by a typed command, read -n1",
        _SWALLOWED,
        ("tmux popup -E 'bash -c \"read -n1 x; echo got-\\$x > got\"'\r", "┌"),
        None,
        ("y", _INSIDE),
    ),
    _TMUX_KEYS.at(
        "a prefix with Alt pending",
        _PREFIX,
        (f"{ESC}a", ""),
        None,
        (":", ":▮"),
        ("rename-window new\r", "0:new*"),
    ),
    _TMUX_KEYS.at("a key table by a bound key", _PREFIX, ("#", ""), None, ("x", "0:yes*")),
    _TMUX_KEYS.at(
        "a name asked by a function key",
        _OVERLAY,
        (f"{ESC}[15~", "name"),
        None,
        ("abc\r", "0:abc*"),
    ),
    _TMUX.at("options", _OVERLAY, ("\x02C", "Server Options"), None, ("q", _INSIDE)),
    _TMUX.at(
        "copy mode of vi, a character awaited",
        _OVERLAY,
        ("\x02:", ":▮"),
        ("setw mode-keys vi\r", _INSIDE),
        ("\x02[", "[0/"),
        ("f", ""),
        None,
        ("i", ""),
        ("q", _INSIDE),
    ),
)

CASES: tuple[Case, ...] = (
    *_states(_TMUX),
    *_MORE,
    *_UNASKED,
    _TMUX_CLOCK.at(
        "the login shell's prompt inside",
        _SWALLOWED,
        ("PS1='READY$ '\r", "READY$ ▮"),
        ("echo one\r", "one\nREADY$ ▮"),
        None,
        ("PS1='inside$ '\r", _INSIDE),
    ),
    *_states(_TMUX_FOCUS)[3:7],
    _TMUX_FOCUS.at(
        "vim killed in the pane, then read -s",
        _BROKEN,
        ("sh -c '(sleep 1; kill -9 $$) & exec vim -N -u NONE -i NONE -n text'\r", "Killed"),
        ("stty sane; clear\r", _INSIDE),
        ("read -s x; echo got-$x\r", "got-$x\n▮"),
        ("sec", ""),
        None,
        ("ret\r", "got-secret\n"),
    ),
    _SCREEN.at("prompt", _NOTHING),
    _SCREEN.at("half-typed line", _NOTHING, ("echo hel", "hel▮"), None, ("lo\r", "\nhello\n")),
    _SCREEN.at("prefix pending", _NOTHING, ("\x01", ""), None, ("i", "/(80,24)")),
)
