"""Why a keepalive that is due is held, in words for the user, and what would have helped."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """One cause of a hold; compared by identity, shown by its `text`."""

    SSH_PROMPTS = "ssh itself prompts"
    STOPPED = "the program is stopped"
    PASTING = "the user is pasting"
    HALF_TYPED = "an escape sequence is half typed"
    HALF_SHOWN = "an escape sequence is half shown"
    ESCAPE_PENDING = "the escape character is typed, and the next key decides", "one more key"
    OUTPUT_STOPPED = "output is stopped by ^S", "^Q"
    TYPING = "the user is typing"
    PRINTING = "the host is printing"
    BINARY = "binary output: a file transfer may be running"
    BINARY_SINCE_ENTER = "binary output since the last Enter: ^Q could corrupt a transfer"
    REPLY_PENDING = "the last empty line has not been answered"
    FOCUS_IS_KEYS = "the program takes focus reports for keys, as emacs does"
    ENDED = "the program that turned reports on may have ended"
    OTHER_SCREEN = "the screen is another program's than the one that asked for reports"
    LINE_TYPED = "a line is half typed", "leaving no line half typed"
    LITERAL = "the last key may make the next one a literal", "one more key"
    PREFIX = "the last key may have been tmux's prefix", "one more key"
    OVERLAY = "tmux may show a list or a question that takes any key"
    NOT_SHOWN = "what was typed last is not shown"
    NOT_PROVEN = "the line under the cursor is no prompt that was seen before"
    ADDRESSED = "the program draws on the screen, and may take ^Q for a key"
    NO_LOGIN_PROMPT = "no prompt of the shell was seen at login"
    NOT_AT_PROMPT = "the line under the cursor is not the login prompt"
    MISMATCH = "an earlier Enter was answered by something else than the prompt"
    FULL_SCREEN = "a full-screen program runs; the shell's timer stands still"
    XON_OFF = "only ^Q would do, and `xon` is off", "xon = true"
    EMPTY_LINE_OFF = "only Enter resets the shell's timer, and `empty_line` is off"
    NOTHING_HARMLESS = "nothing is known to be harmless here"

    def __init__(self, text: str, cure: str = "") -> None:
        self.text = text
        """In the middle of a sentence."""
        self.cure = cure
        """What would have made the hold needless; empty where nothing is known."""
