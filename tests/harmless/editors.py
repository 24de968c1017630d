"""Editors: vi's modes, the focus reports that some ask for, and those that ask for nothing."""

from __future__ import annotations

from tests.harmless.case import APPLE, CTRL_X, END, ESC, REPORTS, Case, Program

_FOCUS = "focus"
_NOTHING = "hold: no input is known to be harmless here"
_EMACS_LIKE = "hold: the program takes focus reports for keys, as emacs does"
_TYPED = "hold: a line is half typed"
_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_BROKEN = "hold: the program that asked for focus reports may have ended"
_STOPPED = "hold: you stopped the output with ^S"
_CONTROL = "hold: the last key may quote the next one, as ^V does"
_TEXT = "one two\nthree four\nfive six\n"
_CHANGE = (":set noar|call system('echo new >> text')\r", "▮one")
"""Changes the file in vim's back, which looks at it when told to, or when focus comes in anew."""

# vim asks for focus reports where its terminal is known to have them; :help xterm-focus-event.
_VIM = Program(
    name="vim",
    command="vim -N -u ~/vimrc -i NONE -n text",
    starts=(("", "▮one two\nthree four"), ("", "All")),
    ends=((":wq\r", END),),
    files={"text": _TEXT, "~/vimrc": "set nocompatible ruler showcmd\nsyntax off\n"},
)
_PLAIN_VIM = Program(
    name="vim (TERM=vt100)",
    command=_VIM.command,
    starts=(("", "▮one two\nthree four"), ("", "All")),
    ends=_VIM.ends,
    files=_VIM.files,
    env={"TERM": "vt100"},
)
_NVIM = Program(
    name="neovim",
    command="nvim -u NONE -i NONE -n -c 'set showcmd' text",
    starts=(("", "▮one two\nthree four"), ("", "All"), ("", REPORTS)),
    ends=((":wq\r", END),),
    files={"text": _TEXT},
)
_NANO = Program(
    name="nano",
    command="nano --ignorercfiles text",
    starts=(("", "▮one two\nthree four"),),
    ends=(("\x0f\r", "Wrote 3 lines"), (CTRL_X, END)),
    files={"text": _TEXT},
)
_EMACS = Program(
    name="emacs",
    command="emacs -nw -Q text",
    starts=(("", "▮one two\nthree four"), ("", "For information about")),
    ends=((f"{CTRL_X}\x13", "Wrote"), (f"{CTRL_X}\x03", END)),
    files={"text": _TEXT},
)
_MICRO = Program(
    name="micro",
    command="micro text",
    starts=(("", "one two"),),
    ends=(("\x13", "Saved"), ("\x11", END)),
    files={"text": _TEXT},
)
_JOE = Program(
    name="joe",
    command="joe text",
    starts=(("", "three four"),),
    ends=(("\x0bx", END),),
    files={"text": _TEXT},
)
_KAKOUNE = Program(
    name="kakoune",
    command="kak -n -s harmless text",
    starts=(("", "three four"), ("", "1:1")),
    ends=((":wq\r", END),),
    files={"text": _TEXT},
)
_ED = Program(
    name="ed",
    command="ed -p '* ' text",
    starts=(("", "* ▮"),),
    ends=(("w\r", "\n* w\n"), ("", "\n* ▮"), ("q\r", END)),
    files={"text": _TEXT},
)


_EMACS_STATES = (
    ("text", (None, ("new ", "new ▮one"))),
    (
        "query-replace",
        (
            (f"{ESC}%", "Query replace"),
            ("o\r0\r", "Query repl"),
            None,
            ("y", "0ne"),
            ("q", "Replaced 1"),
        ),
    ),
)


def _vi_states(vim: Program, expect: str) -> tuple[Case, ...]:
    def at(state: str, *steps: tuple[str, str] | None) -> Case:
        return vim.at(state, expect, *steps)

    def after_control(state: str, *steps: tuple[str, str] | None) -> Case:
        return vim.at(state, _CONTROL, *steps)

    return (
        at("normal", None, ("dd", "▮three")),
        at("insert", ("i", "INSERT"), ("new ", "new ▮one"), None, ("er", "er▮one"), (ESC, "e▮r")),
        at("replace", ("R", "REPLACE"), ("xy", "xy▮e"), None, ("z", "xyz▮"), (ESC, "xy▮z")),
        at("visual", ("v", "VISUAL"), ("e", "on▮e"), None, ("d", "▮ two")),
        at("visual block", ("\x16", "VISUAL BLOCK"), ("jl", "t▮hree"), None, ("d", "▮e two")),
        at("operator pending", ("d", "  d"), None, ("w", "▮two")),
        at("count and operator pending", ("2d", "  2d"), None, ("w", "▮\n")),
        at("r pending", ("r", "  r"), None, ("X", "▮Xne")),
        at("f pending", ("f", "  f"), None, ("t", "one ▮two"), ("x", "one ▮wo")),
        at("register pending", ('"', '  "'), None, ("ayy", "▮one"), ("p", "▮one two\nthree")),
        at("g pending", ("g", "  g"), None, ("Uw", "▮ONE two")),
        after_control(
            "insert, ^V pending",
            ("i", "INSERT"),
            ("\x16", "^"),
            None,
            ("x41", "A▮one"),
            (ESC, "▮Aone"),
        ),
        at(
            "insert, ^K pending",
            ("i", "INSERT"),
            ("\x0b", "?"),
            None,
            ("a:", "ä▮one"),
            (ESC, "▮äone"),
        ),
        after_control(
            "command line, ^V pending",
            (":s/x", ":s/x▮"),
            ("\x16", ""),
            None,
            ("\x01", "^A"),
            ("\x03", "▮one"),
        ),
        at(
            "insert, ^R pending",
            ("yw", "▮one"),
            ("i", "INSERT"),
            ("\x12", '"'),
            None,
            ("0", "one ▮one"),
            (ESC, "one▮ one"),
        ),
        at(
            "insert, completion menu",
            ("o", "INSERT"),
            ("t", "t▮"),
            ("\x0e", "three▮"),
            None,
            ("\x0e", "two▮"),
            (ESC, "tw▮o"),
        ),
        at("command line, half typed", (":s/one", ":s/one▮"), None, ("/1/\r", "▮1 two")),
        at("search, half typed", ("/fi", "/fi▮"), None, ("ve\r", "▮five"), ("x", "▮ive")),
        at("hit-enter", (":echo 'a'|echo 'b'\r", "Press ENTER"), None, ("\r", "▮one")),
        at(
            "confirm a substitution",
            (":%s/o/0/gc\r", "replace with"),
            None,
            ("y", "0ne two"),
            ("q", ""),
        ),
        at("recording", ("qa", "recording"), None, ("xq", "▮ne two"), ("@a", "▮e two")),
        at("undo and repeat afterwards", ("dw", "▮two"), None, (".", "▮\n"), ("uu", "▮one two")),
        at(
            "more than a page listed",
            (":map | map! | set all\r", "-- More --"),
            None,
            ("q", "▮one"),
        ),
        at("read-only file", (":set ro\r", "▮one"), ("x", "W10"), None, (":set noro\r", "▮ne")),
        at(
            "two windows, ^W pending",
            (":split\r", "text  "),
            ("\x17", "^W"),
            None,
            ("j", ""),
            (":only\r", "▮one"),
        ),
    )


def _changed_on_disk(vim: Program, *, asked: str) -> tuple[Case, ...]:
    """`asked`: what is decided while the program asks in answer to a focus report."""
    loaded = (("L", "▮one"), ("G", "▮new"))
    loads = ((":e!\r", "▮one"), ("G", "▮new"))
    asks = (_CHANGE, (":checktime\r", "W11"))
    edited = (("x", "▮ne"), (_CHANGE[0], "▮ne"))
    return (
        vim.at("changed file, asks to load it (W11)", _FOCUS, *asks, None, *loaded),
        vim.at(
            "changed file, not loaded", _FOCUS, *asks, ("O", "▮one"), None, ("dd", "▮three"), *loads
        ),
        vim.at(
            "changed file and text, asks which (W12)",
            _FOCUS,
            *edited,
            (":checktime\r", "W12"),
            None,
            ("O", "▮ne"),
            *loads,
        ),
        vim.at(
            "changed file, asks whether to overwrite it",
            _FOCUS,
            _CHANGE,
            (":w\r", "(y/n)?▮"),
            None,
            ("y", "ENTER"),
            ("\r", "▮one"),
        ),
        vim.at(
            "changed file, loaded by autoread",
            _FOCUS,
            _CHANGE,
            (":set ar|checktime\r", "new"),
            None,
            ("G", "▮new"),
            ("dd", "▮five"),
        ),
        vim.at(
            "changed file, asks when the window has focus again",
            asked,
            _CHANGE,
            ("\x1b[O\x1b[I", "W11"),
            None,
            *loaded,
        ),
        vim.at(
            "changed file, window without focus",
            _FOCUS,
            _CHANGE,
            ("\x1b[O", ""),
            None,
            ("\x1b[I", "W11"),
            *loaded,
        ),
    )


NOTICED_EARLY = _NVIM.at(
    "changed file, not noticed yet",
    _FOCUS,
    (":call system('echo new >> text')\r", "▮one"),
    None,
    (":e!\r", "▮one"),
    ("G", "▮new"),
)
"""Not among the harmless: each focus report makes neovim look at its files."""

CASES: tuple[Case, ...] = (
    *_vi_states(_VIM, _FOCUS),
    *_changed_on_disk(_VIM, asked=_BROKEN),
    _VIM.at(
        "changed file, not noticed yet",
        _FOCUS,
        _CHANGE,
        None,
        ("dd", "▮three"),
        (":e!\r", "▮one"),
        ("G", "▮new"),
    ),
    *_vi_states(_NVIM, _FOCUS),
    *_changed_on_disk(_NVIM, asked=_FOCUS),
    _PLAIN_VIM.at("normal", _NOTHING, None, ("dd", "▮three")),
    _PLAIN_VIM.at("insert", _NOTHING, ("i", "INSERT"), None, ("er", "er▮one"), (ESC, "e▮r")),
    _NANO.at("text", _NOTHING, None, ("new ", "new ▮one")),
    _NANO.at(
        "search prompt",
        _NOTHING,
        ("\x17", "Search"),
        ("fi", "fi▮"),
        None,
        ("ve\r", "▮five"),
        ("\x04", "▮ive"),
    ),
    _NANO.at(
        "asks whether to save",
        _NOTHING,
        ("x", "x▮one"),
        (CTRL_X, "Save modified"),
        None,
        ("\x03", "Cancelled"),
    ),
    _NANO.at("verbatim input", _NOTHING, (f"{ESC}V", "erbatim"), None, ("\x01", "▮one")),
    *(_EMACS.at(state, _EMACS_LIKE, *steps) for state, steps in _EMACS_STATES),
    _EMACS.at(
        "incremental search",
        _STOPPED,
        ("\x13", "I-search:"),
        ("fi", "fi▮ve"),
        None,
        ("ve", "five▮"),
        ("\r\x04", "five▮six"),
    ),
    _EMACS.at(
        "C-x pending", _EMACS_LIKE, (CTRL_X, "C-x-"), None, ("\x07", "undefined"), ("x", "x▮one")
    ),
    _EMACS.at(
        "minibuffer, half typed",
        _EMACS_LIKE,
        (f"{ESC}x", "M-x "),
        ("goto-ch", "goto-ch▮"),
        None,
        ("ar\r5\r", "one ▮two"),
        ("\x04", "one ▮wo"),
    ),
    _EMACS.at(
        "region active",
        _EMACS_LIKE,
        ("\x00", "Mark set"),
        ("\x06\x06", "on▮e"),
        None,
        ("\x17", "▮e two"),
    ),
    _EMACS.at(
        "kills appended",
        _EMACS_LIKE,
        (f"{ESC}d", "▮ two"),
        None,
        (f"{ESC}d", "▮\n"),
        ("\x19\x19", "one twoone two▮"),
    ),
    _EMACS.at("quoted insert pending", _EMACS_LIKE, ("\x11", "C-q-"), None, ("\x01", "^A▮one")),
    *(
        _EMACS.at(
            f"{state}, in a terminal without modifyOtherKeys", _EMACS_LIKE, *steps, terminal=APPLE
        )
        for state, steps in _EMACS_STATES
    ),
    _MICRO.at("text", _NOTHING, None, ("new ", "new ▮one")),
    _MICRO.at(
        "command bar", _NOTHING, ("\x05", "> ▮"), None, ("goto 3\r", "five"), ("x", "x▮five")
    ),
    _JOE.at("text", _UNKNOWN, None, ("new ", "new ▮one")),
    _JOE.at("^K pending", _UNKNOWN, ("\x0b", ""), None, ("v", "one two\nthree four\nfive six")),
    _KAKOUNE.at("normal", _FOCUS, None, ("x", "one two"), ("d", "three four")),
    _KAKOUNE.at("insert", _FOCUS, ("i", "insert"), None, ("new ", "new ▮one"), (ESC, "1:5")),
    _KAKOUNE.at("prompt", _FOCUS, (":ed", ":ed"), None, ("\x7f" * 4, "1 sel")),
    _ED.at("prompt", "xon", None, ("1d\r", "d\n* ▮")),
    _ED.at("command half typed", "xon", ("1", "1▮"), None, ("d\r", "d\n* ▮")),
    _ED.at("input mode", "xon", ("a\r", "a\n▮"), ("ne", "ne▮"), None, ("w\r.\r", "\n* ▮")),
)
