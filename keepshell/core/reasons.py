"""Why a keepalive that is due has to wait, in words for the user, and what would have helped."""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """One cause of a hold; compared by identity, shown by its `text`."""

    SSH_PROMPTS = "ssh is asking you something"
    STOPPED = "the program is stopped"
    PASTING = "you are pasting"
    HALF_TYPED = "an escape sequence is half typed"
    HALF_SHOWN = "the host has printed half an escape sequence"
    ESCAPE_PENDING = "you typed the escape character; the next key decides", "one more key"
    OUTPUT_STOPPED = "you stopped the output with ^S", "^Q"
    TYPING = "you are typing"
    PRINTING = "the host is printing"
    BINARY = "binary output: a file transfer may be running"
    BINARY_SINCE_ENTER = "binary output since the last Enter: ^Q could corrupt a transfer"
    REPLY_PENDING = "the last Enter has not been answered"
    FOCUS_IS_KEYS = "the program takes focus reports for keys, as emacs does"
    ENDED = "the program that asked for focus reports may have ended"
    OTHER_SCREEN = "the program that asked for focus reports no longer has the screen"
    LINE_TYPED = "a line is half typed", "clearing it"
    LITERAL = "the last key may quote the next one, as ^V does", "one more key"
    PREFIX = "the last key may have been tmux's prefix", "one more key"
    OVERLAY = "tmux may show a list or a question that takes any key"
    NOT_SHOWN = "what you typed last is not shown"
    NOT_PROVEN = "the line under the cursor is not a prompt seen before"
    ADDRESSED = "the program draws on the screen, and may take ^Q for a key"
    NO_LOGIN_PROMPT = "no shell prompt was seen at login"
    NOT_AT_PROMPT = "the line under the cursor is not the login prompt"
    MISMATCH = "something other than the prompt answered an earlier Enter"
    FULL_SCREEN = "the shell's timer does not run during a full-screen program"
    XON_OFF = "only ^Q would do, and `xon` is off", "", "xon = true"
    EMPTY_LINE_OFF = (
        "only Enter resets the shell's timer, and `empty_line` is off",
        "",
        "empty_line = true",
    )
    NOTHING_HARMLESS = "no input is known to be harmless here"

    def __init__(self, text: str, cure: str = "", setting: str = "") -> None:
        self.text = text
        """In the middle of a sentence."""
        self.cure = cure
        """What the user could have done to avoid the hold; empty where nothing would have."""
        self.setting = setting
        """What would have avoided it, as in config.toml; or empty."""
