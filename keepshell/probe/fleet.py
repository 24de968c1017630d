"""One script for many hosts, run by ansible, clush or pssh, and their output taken apart again.

The rules it keeps:

- an answer names its own host; one that arrives under another host's label counts for neither;
- only a complete answer counts, and each host is reported once.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from keepshell.core.probing import answers
from keepshell.core.probing.answers import MARK, Report
from keepshell.probe.script import script

RUN = "fleet"
"""How the nonce of an answer to `--script` begins; the host's name follows."""

_NONCE = re.compile(rf"{re.escape(MARK)} ({RUN}:\S+) ")
_ANSIBLE = re.compile(r"^(\S+) \| [A-Z]+!?(?: \| [^\n{]*)? ?=> ?(?=\{)", re.MULTILINE)
_LABEL = re.compile(r"^(\S+?): ?(.*)$")


# On a terminal, as ansible gives one, a login shell that is asked for TMOUT would be stopped for
# touching it: a session without one is begun.
_ALONE = """\
if [ -t 0 ] && [ -f "$0" ] && setsid -w true 2>/dev/null
then exec setsid -w sh "$0" "$@" </dev/null
fi
"""


@dataclass
class Answer:
    """What one host said; `problem` is empty for a complete answer."""

    report: Report = field(default_factory=Report)
    problem: str = ""


def for_runners() -> str:
    """The script; its first argument is the host's name as the runner has it."""
    text = script("@HOST@")
    return _ALONE + text.replace("nonce='@HOST@'", f'nonce="{RUN}:${{1:-$(uname -n)}}"')


def read(text: str, expected: Sequence[str] = ()) -> dict[str, Answer]:
    """The answer of each host by its name, those of whom there is none included."""
    said: dict[str, list[str]] = {}
    found: dict[str, Answer] = {name: Answer(problem="no answer") for name in expected}
    for label, line in _labelled(text):
        said.setdefault(label, []).append(line)
    for label, lines in said.items():
        for nonce in dict.fromkeys(match[1] for line in lines if (match := _NONCE.match(line))):
            name = nonce.removeprefix(f"{RUN}:")
            if label and name != label:
                found.setdefault(label, Answer()).problem = f"it answered as {name}"
                continue
            report = answers.read("\n".join(lines) + "\n", nonce)
            problem = "" if report.complete else "the answer was cut off"
            if name not in found or found[name].problem:
                found[name] = Answer(report, problem)
    for label, lines in said.items():
        words = next((line.strip() for line in lines if line.strip() and MARK not in line), "")
        answer = found.get(label)
        if label and answer is None and words and not label.startswith("clush"):
            found[label] = Answer(problem=words)
        elif answer is not None and answer.problem == "no answer" and words:
            answer.problem = words
    return found


def _labelled(text: str) -> Iterator[tuple[str, str]]:
    """Each line that a host said, with the name that the runner put to it; empty without one."""
    rest, at = [], 0
    for match in _ANSIBLE.finditer(text):
        try:
            result, length = json.JSONDecoder().raw_decode(text[match.end() :])
        except ValueError:
            continue
        rest.append(text[at : match.start()])
        at = match.end() + length
        shown = result.get("stdout") or result.get("msg") or result.get("stderr") or ""
        for line in str(shown).splitlines():
            yield match[1], line
    for line in "".join([*rest, text[at:]]).splitlines():
        if line.startswith(MARK):
            yield "", line
        elif (label := _LABEL.match(line)) and not line.startswith("clush: "):
            yield label[1], label[2]
