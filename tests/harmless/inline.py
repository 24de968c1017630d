"""Programs that draw below the shell's prompt, and take what is typed as events.

They turn bracketed paste on as a line editor does, and are none: an empty paste is a key to them.
"""

from __future__ import annotations

import sys

from tests.harmless.case import BASH, PROMPT, Case, Program

_UNKNOWN = "hold: the line under the cursor is not a prompt seen before"
_NOTHING = "hold: no input is known to be harmless here"
_ADDRESSED = "hold: the program draws on the screen, and may take ^Q for a key"

# Each event is counted and shown, as a command line of an agent's or a game would act on it.
_EVENTS = """\
import sys
from prompt_toolkit import Application
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys
from prompt_toolkit.layout import Layout, Window
import prompt_toolkit.layout as layout

seen = []
keys = KeyBindings()

@keys.add(Keys.Any)
@keys.add(Keys.BracketedPaste)
def _(event):
    seen.append(event.key_sequence[0].key)
    if event.data == "q":
        event.app.exit()

text = layout.FormattedTextControl(lambda: f"{sys.argv[1]}events: {len(seen)} ", show_cursor=False)
Application(Layout(Window(text)), key_bindings=keys).run()
print("events", len(seen))
"""
_PROMPT_SESSION = """\
from prompt_toolkit import PromptSession
from prompt_toolkit.key_binding import KeyBindings
from prompt_toolkit.keys import Keys

keys, pastes = KeyBindings(), []

@keys.add(Keys.BracketedPaste)
def _(event):
    pastes.append(event.data)

session = PromptSession(key_bindings=keys)
while (line := session.prompt("ask> ")) != "bye":
    print("got", line, len(pastes))
print("pastes", len(pastes))
"""
_TEXTUAL = """\
from textual.app import App
from textual.widgets import Label

class Shown(App):
    CSS = "Screen { height: 3; }"
    seen = 0

    def compose(self):
        yield Label("events: 0", id="shown")

    def on_event_seen(self):
        self.query_one("#shown").update(f"events: {self.seen}")

    def on_key(self, event):
        self.seen += 1
        self.on_event_seen()
        if event.key == "q":
            self.exit(self.seen)

    def on_paste(self, event):
        self.seen += 1
        self.on_event_seen()

print("events", Shown().run(inline=%s))
"""
_INQUIRER = """\
import inquirer
print("got", inquirer.list_input("Which", choices=["web", "db"]))
"""
_NODE = """\
const readline = require("readline");
readline.emitKeypressEvents(process.stdin);
process.stdin.setRawMode(true);
process.stdout.write("\\x1b[?2004h");
let seen = 0;
const show = () => process.stdout.write(`\\r\\x1b[Kkeys: ${seen} `);
show();
process.stdin.on("keypress", (text) => {
  seen += 1;
  show();
  if (text === "q") {
    process.stdout.write(`\\x1b[?2004l\\nkeys ${seen}\\n`);
    process.exit();
  }
});
"""

_INK = """\
import {createRequire} from "node:module";
const {createElement, useState} = createRequire(process.env.MODULES + "/")("react");
const {render, Text, useApp, useInput} = await import(process.env.MODULES + "/ink/build/index.js");
let seen = 0;
function Shown() {
  const [, show] = useState(0);
  const {exit} = useApp();
  useInput((text) => {
    show(seen += 1);
    if (text === "q") exit();
  });
  return createElement(Text, null, `events: ${seen}`);
}
await render(createElement(Shown)).waitUntilExit();
console.log(`events ${seen}`);
"""
# Debian has bubbletea as a library for a Go compiler of 450 MB. What its renderer writes: cursor
# hidden, pastes marked, each frame over the last one by CUU and EL. A paste is an event of its own.
_BUBBLETEA = """\
import os, tty

def write(text):
    os.write(1, text.encode())

def frame():
    return f"\\x1b[2A\\r\\x1b[Kcount\\r\\n\\x1b[Kevents: {seen}\\r\\n"

seen, key = 0, b""
tty.setraw(0)
write("\\x1b[?25l\\x1b[?2004h\\r\\n\\r\\n" + frame())
while key != b"q":
    key = os.read(0, 256)
    seen += 1
    write(frame())
write("\\x1b[?2004l\\x1b[?25h\\r")
os.system("stty sane")
print("events", seen)
"""


def _inline(name: str, command: str, shows: str, code: str) -> Program:
    return Program(
        name=name,
        argv=BASH,
        command=command.replace("PYTHON", sys.executable),
        starts=(("", shows),),
        files={"app": code},
        needs=("bash",),
    )


_ANY_KEY = _inline("prompt_toolkit (any key)", "PYTHON app ''", "events: 0", _EVENTS)
_LIKE_A_PROMPT = _inline("prompt_toolkit (as a prompt)", "PYTHON app '$ '", "$ events: 0", _EVENTS)
_SESSION = _inline("prompt_toolkit (prompts)", "PYTHON app", "ask> ▮", _PROMPT_SESSION)
_SMALL = _inline("textual (inline)", "PYTHON app", "events: 0", _TEXTUAL % True)
_WHOLE = _inline("textual", "PYTHON app", "events: 0", _TEXTUAL % False)
_CHOICE = _inline("inquirer", "PYTHON app", "> web", _INQUIRER)
_KEYPRESS = _inline("node (keypress)", "node app", "keys: 0", _NODE)
_KEYPRESS_PLAIN = _inline(
    "node (keypress, no mode)",
    "node app",
    "keys: 0",
    _NODE.replace("\\x1b[?2004h", "").replace("\\r\\x1b[K", "\\x1b[1G\\x1b[K"),
)
_REACT = Program(
    name="ink",
    argv=BASH,
    command="node app.mjs",
    starts=(("", "events: 0"),),
    files={"app.mjs": _INK},
    env={"MODULES": "{ink}"},
    needs=("node", "npm"),
)
_TEA = _inline("as bubbletea", "PYTHON app", "events: 0", _BUBBLETEA)
_FZF = Program(
    name="fzf (inline)",
    argv=BASH,
    command="seq 3 | fzf --height=6 --no-color",
    starts=(("", "3/3"),),
    ends=(("2", "1/3"), ("\r", f"\n2\n{PROMPT}")),
    needs=("fzf",),
)

CASES: tuple[Case, ...] = (
    _ANY_KEY.at("nothing pressed", _UNKNOWN, None, ("q", "\nevents 1\n")),
    _ANY_KEY.at("a key pressed", _UNKNOWN, ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _LIKE_A_PROMPT.at("nothing pressed", _UNKNOWN, None, ("q", "\nevents 1\n")),
    _LIKE_A_PROMPT.at("a key pressed", _UNKNOWN, ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _LIKE_A_PROMPT.at(
        "^U pressed",
        _UNKNOWN,
        ("x", "events: 1"),
        ("\x15", "events: 2"),
        None,
        ("q", "\nevents 3\n"),
    ),
    _SESSION.at("first prompt", _UNKNOWN, None, ("bye\r", "pastes 0\n")),
    _SESSION.at(
        "half-typed line",
        "hold: a line is half typed",
        ("ab", "ask> ab▮"),
        None,
        ("c\r", "got abc 0"),
        ("bye\r", "pastes 0\n"),
    ),
    _SMALL.at("nothing pressed", _NOTHING, None, ("q", "\nevents 1\n")),
    _SMALL.at("a key pressed", _NOTHING, ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _WHOLE.at("nothing pressed", "focus", None, ("q", "\nevents 1\n")),
    _WHOLE.at("a key pressed", "focus", ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _CHOICE.at("nothing pressed", _ADDRESSED, None, ("\x1b[B", "> db"), ("\r", "got db\n")),
    _KEYPRESS.at("nothing pressed", _UNKNOWN, None, ("q", "\nkeys 1\n")),
    _KEYPRESS.at("a key pressed", _UNKNOWN, ("x", "keys: 1"), None, ("q", "\nkeys 2\n")),
    _KEYPRESS_PLAIN.at("nothing pressed", _ADDRESSED, None, ("q", "\nkeys 1\n")),
    _REACT.at("nothing pressed", _NOTHING, None, ("q", "\nevents 1\n")),
    _REACT.at("a key pressed", _NOTHING, ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _TEA.at("nothing pressed", _UNKNOWN, None, ("q", "\nevents 1\n")),
    _TEA.at("a key pressed", _UNKNOWN, ("x", "events: 1"), None, ("q", "\nevents 2\n")),
    _FZF.at("nothing typed", _NOTHING),
)
