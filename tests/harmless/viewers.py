"""Pagers, monitors and menus: full screens that read single keys."""

from __future__ import annotations

from tests.harmless.case import CTRL_C, END, ESC, Case, Program

_NOTHING = "hold: no input is known to be harmless here"
_LINES = "".join(f"line {number}\n" for number in range(1, 101))
_PAGE = ".TH PAGE 1\n.SH NAME\npage \\- of lines\n.SH LINES\n" + "line\n.br\n" * 60

_LESS = Program(
    name="less",
    command="less text",
    starts=(("", "line 23"),),
    ends=(("q", END),),
    files={"text": _LINES},
    env={"LESSHISTFILE": "-"},
)
_MORE = Program(
    name="more",
    command="more text",
    starts=(("", "--More--"),),
    ends=(("q", END),),
    files={"text": _LINES},
)
_MAN = Program(
    name="man",
    command="man -l page.1",
    starts=(("", "page - of lines"),),
    ends=(("q", END),),
    files={"page.1": _PAGE},
    env={"PAGER": "less", "LESSHISTFILE": "-"},
)
_TOP = Program(
    name="top",
    command="top -d 600",
    starts=(("", "PID"),),
    ends=(("q", END),),
    masks=(r"(?s).+",),
    why_masked="all but the cursor: it shows the machine's load",
)
_HTOP = Program(
    name="htop",
    command="htop -d 100 --readonly",
    starts=(("", "F10Quit"),),
    ends=(("q", END),),
    masks=(r"^.*[0-9].*$",),
    why_masked="lines with numbers: they show the machine's load",
)
_MC = Program(
    name="mc",
    command="mc --nosubshell --nocolor left right",
    starts=(("", "10Quit"),),
    ends=(("exit\r", END),),
    files={"left/alpha": "a", "right/beta": "b"},
    masks=(r"[A-Z][a-z][a-z] +[0-9]+ [0-9:]+", r"[0-9]+[GM]? ?/ ?[0-9]+[GM] \([0-9]+%\)"),
    why_masked="times of files, free space of the disk",
)
_FZF = Program(
    name="fzf",
    command="fzf --no-mouse < text > chosen",
    starts=(("", "100/100"),),
    ends=(("\r", END),),
    files={"text": _LINES},
)
_WHIPTAIL = Program(
    name="whiptail",
    command="whiptail --menu which? 15 40 4 a alpha b beta c gamma 2> chosen",
    starts=(("", "gamma"),),
    ends=(("\r", END),),
)
_DIALOG = Program(
    name="dialog",
    command="dialog --inputbox who? 10 40 2> chosen",
    starts=(("", "<Cancel>"),),
    ends=(("\r", END),),
)
_WATCH = Program(
    name="watch",
    command="watch -t -n 1 cat text",
    starts=(("", "line 23"),),
    ends=((CTRL_C, END),),
    files={"text": _LINES},
)
_TAIL = Program(
    name="tail -f",
    command="tail -f text",
    starts=(("", "line 100\n▮"),),
    ends=((CTRL_C, END),),
    files={"text": _LINES},
)

CASES: tuple[Case, ...] = (
    _LESS.at("first page", _NOTHING, None, (" ", "line 46")),
    _LESS.at("search half typed", _NOTHING, ("/line 5", "/line 5▮"), None, ("0\r", "line 72")),
    _LESS.at("a number typed", _NOTHING, ("40", ":40▮"), None, ("g", "line 62")),
    _LESS.at("ESC pending", _NOTHING, (ESC, ""), None, (">", "line 100")),
    _LESS.at(
        "mark pending",
        _NOTHING,
        ("m", "mark: ▮"),
        None,
        ("a", ":▮"),
        ("G", "line 100"),
        ("'a", "line 1\n"),
    ),
    _LESS.at("help", _NOTHING, ("h", "SUMMARY OF LESS"), None, ("q", "line 23")),
    _MORE.at("first page", "xon", None, (" ", "line 46")),
    _MORE.at("a number typed", "xon", ("5", ""), None, ("\r", "line 28")),
    _MAN.at("first page", _NOTHING, None, ("G", "(END)")),
    _MAN.at("search half typed", _NOTHING, ("/lin", "/lin▮"), None, ("e\r", "line")),
    _TOP.at("the list", _NOTHING),
    _TOP.at(
        "a number half typed", _NOTHING, ("n", "Maximum tasks"), ("1", ""), None, ("0\r", "\n" * 6)
    ),
    _HTOP.at("the list", _NOTHING),
    _HTOP.at("filter half typed", _NOTHING, ("\\ht", "Filter: ht"), None, ("op\r", "F10Quit")),
    _MC.at("panels", _NOTHING),
    _FZF.at("list", _NOTHING, None, ("50", "> 50▮")),
    _FZF.at("query half typed", _NOTHING, ("5", "> 5▮"), None, ("0", "> 50▮")),
    _WHIPTAIL.at("menu", _NOTHING, None, (f"{ESC}[B", "")),
    _DIALOG.at("input box, half typed", _NOTHING, ("some", "some"), None, ("one", "someone")),
    _WATCH.at("a file", _NOTHING),
    _TAIL.at("waiting", "xon"),
    _TAIL.at("type-ahead", "xon", ("echo ahe", "ahe▮"), None),
)
