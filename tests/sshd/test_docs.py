"""README.md and docs/ say what is so: each example is run here, or a table says what runs it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import pytest

import keepshell
from keepshell.cli.commands import COMMANDS
from keepshell.config.load import parse_toml
from keepshell.config.settings import option_rows
from keepshell.core.rules.rung import RUNGS
from tests.sshd import test_exec_callers
from tests.sshd.holds import Holds
from tests.support.access import ALIAS, Access
from tests.support.programs import path_of, require
from tests.support.remoteshell import PROMPT
from tests.support.sshd import Sshd
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE

ROOT = Path(keepshell.__file__).parents[1]
PAGES = ("README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")))

SHELLS = {
    "sh": ["sh", "-e"],
    "bash": ["bash", "--norc", "-e"],
    "zsh": ["zsh", "-f", "-e"],
    "fish": ["fish", "--no-config"],
}

# What is shown and not typed, such as an answer or a file's content.
SHOWN = "text"

# What is not run here: its commands, why, and what covers it.
NOT_RUN = {
    ("README.md", "scripts/demo"): ("takes half a minute", "tests/sshd/test_demo.py"),
    ("README.md", "scripts/test"): ("runs this very test", ".ci/run"),
    (
        "README.md",
        "uv tool install .\npipx install .\n"
        "scripts/package deb && sudo apt install ./dist/keepshell_*.deb\n"
        "scripts/package pyz && cp dist/keepshell.pyz ~/.local/bin/keepshell",
    ): (
        "installs from a registry",
        "tests/sshd/test_shipped.py",
    ),
    (
        "docs/probe.md",
        "keepshell probe --script > probe.sh\n"
        "clush -R exec -w web[1-20] 'ssh %h sh -s %h < probe.sh' > answers 2>&1\n"
        "ansible all -m script -a 'probe.sh {{ inventory_hostname }}' > answers\n"
        "keepshell probe --read answers web1 web2 web3",
    ): ("needs a fleet", "tests/sshd/test_fleet.py"),
    (
        "docs/benchmarks.md",
        "scripts/bench\nscripts/bench --quick\nscripts/bench --only bulk --only echo\n"
        "scripts/bench --only outage\nscripts/bench --only holder\nscripts/bench --only hold\n"
        "scripts/bench --json FILE",
    ): ("takes minutes", "tests/sshd/test_bench.py::test_quick_run"),
}

_PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - raw: echo done
"""

# What the examples take for granted: files, and what Python's have defined.
FILES = {
    "README.md": {"deploy.sh": "#!/bin/sh\nssh web 'echo deployed'\n"},
    "docs/hold.md": {"site.yml": _PLAYBOOK, "notes": "what is to be kept\n"},
}
PRELUDE = "def compute_for_hours(): pass\n"

# What the user answers on the terminal, in this order.
TYPED = {
    "README.md": [
        (PROMPT, "exit"),  # of `keepshell ssh`
    ],
}

# What an example must show, by its first command.
SAYS = {
    ("README.md", "keepshell ssh web"): [r"^no idle timer was found", r"^\+empty_line = true"],
    ("README.md", "keepshell exec -- ./deploy.sh"): [
        r"^deployed$",
        r"ssh -o ServerAliveInterval=60 .* web$",
    ],
    (
        "docs/hold.md",
        "keepshell hold --for 9h --name db -L 3306:localhost:3306 me@web",
    ): [
        r"^db is held until \d\d:\d\d, with -L 3306:\[localhost\]:3306$",
        r" up .*load average",
        r"^✓ +db +\d\d:\d\d +0 +-L 3306:",
        r"^db: released$",
    ],
    (
        "docs/hold.md",
        "for host in web1 web2 db1; do keepshell hold --for 1h $host; done",
    ): [r"^web2 is held until", r"db1.*ok=1 .*unreachable=0 +failed=0", r"^web1: released$"],
    ("docs/hold.md", "keepshell hold --for 4h --name backup nas"): [r"^backup: released$"],
    ("docs/scripts.md", "cat > deploy.sh <<'END'"): [r"^copy$", r"^deploy\.sh$"],
    ("docs/scripts.md", "keepshell --ssh /usr/bin/ssh exec -- ssh -V"): [
        r"^OpenSSH_",
        r"^copy$",
        r"^\./deploy\.sh web$",
        r"^  # PATH=.*/exec/shim:",
    ],
    ("docs/scripts.md", "keepshell shim install"): [r"^installed: ", r"export PATH="],
    ("docs/scripts.md", 'export PATH="${XDG_DATA_HOME:-$HOME/.local/share}/keepshell/bin:$PATH"'): [
        r"^kept alive$"
    ],
    ("docs/scripts.md", "keepshell shim status"): [r"in use: `ssh` is found there", r"^removed: "],
}


class Example(NamedTuple):
    """A fenced block; `line` is that of its first line in the page."""

    page: str
    line: int
    language: str
    text: str

    @property
    def commands(self) -> str:
        """Its lines without their comments, and without what stands in a here-document."""
        text = re.sub(r"(<<'(\w+)'\n).*?\n\2$", r"\1", self.text, flags=re.M | re.S)
        lines = (re.split(r"\s#|^#", line, maxsplit=1)[0].rstrip() for line in text.splitlines())
        return "\n".join(filter(None, lines))

    @property
    def first(self) -> str:
        return self.commands.partition("\n")[0]

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def examples() -> Iterator[Example]:
    """Every fenced block of every page, in the pages' order."""
    for page in PAGES:
        text = (ROOT / page).read_text()
        for match in re.finditer(r"^```(.*)\n((?:.*\n)*?)```$", text, re.M):
            line = text.count("\n", 0, match.start()) + 2
            yield Example(page, line, match[1], match[2])


def run_here(*languages: str) -> list[Example]:
    """Those in these languages that no table excuses."""
    return [
        example
        for example in examples()
        if example.language in languages and (example.page, example.commands) not in NOT_RUN
    ]


class Place:
    """A machine of the user's: every host is the sshd, for ssh as for plink."""

    def __init__(self, folder: Path, keepshell_exe: Path, access: Access) -> None:
        config = access.ssh_config()
        config.write_text(config.read_text().replace(f"Host {ALIAS}", "Host *", 1))
        system = folder / "system"
        system.mkdir()
        real = system / "ssh"
        # -l: whoever is named in an example, the sshd knows us only.
        words = shlex.join([path_of("ssh"), "-F", str(config), "-l", access.user])
        real.write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        real.chmod(0o755)
        (system / "keepshell").symlink_to(keepshell_exe)
        self.here = folder / "here"
        self.here.mkdir()
        self.env = {**os.environ, "PATH": f"{system}:{os.environ['PATH']}"}

    def write(self, files: dict[str, str]) -> None:
        """Put executable files into the directory where the examples are run."""
        for name, text in files.items():
            (self.here / name).write_text(text)
            (self.here / name).chmod(0o755)


@pytest.fixture
def place(sshd: Sshd, tmp_path: Path, keepshell_exe: Path, holds: Holds) -> Place:
    """With a runtime directory of a short path, for the sockets of what is held."""
    made = Place(tmp_path, keepshell_exe, sshd.access)
    save_putty_session(tmp_path / "user" / ".putty", "host", sshd.access)
    return made


def save_putty_session(folder: Path, name: str, access: Access) -> None:
    """What `plink NAME` reads: where the sshd is, its key, and ours."""
    require("plink", "puttygen", "ssh-keygen")
    key = folder / "key.ppk"
    (folder / "sessions").mkdir(parents=True)
    convert = [path_of("puttygen"), str(access.keys.user), "-O", "private", "-o", str(key)]
    subprocess.run(convert, check=True, timeout=DEADLINE)
    print_it = [path_of("ssh-keygen"), "-l", "-f", f"{access.keys.host}.pub"]
    shown = subprocess.run(print_it, check=True, capture_output=True, text=True)
    settings = {
        "Protocol": "ssh",
        "HostName": "127.0.0.1",
        "PortNumber": str(access.port),
        "UserName": access.user,
        "PublicKeyFile": str(key),
        "SSHManualHostKeys": shown.stdout.split()[1],
    }
    text = "".join(f"{keyword}={value}\n" for keyword, value in settings.items())
    (folder / "sessions" / name).write_text(text)


class TestTables:
    """No example is left out unseen."""

    @pytest.mark.parametrize("page", PAGES)
    def test_every_block_is_found(self, page: str) -> None:
        fences = re.findall(r"^\s*(?:```|~~~)", (ROOT / page).read_text(), re.M)
        assert len(fences) == 2 * sum(example.page == page for example in examples())

    def test_every_example_is_run_or_excused(self) -> None:
        known = {*SHELLS, "python", "toml", SHOWN}
        others = [str(example) for example in examples() if example.language not in known]
        assert others == [], "in a language that nothing runs"

    def test_what_is_shown_is_no_command(self) -> None:
        command = r"(?m)^(\$ |(keepshell|ssh|eval|export|sudo|apt|pip|git|scripts/\w+) )"
        assert [
            str(example)
            for example in examples()
            if example.language == SHOWN and re.search(command, example.text)
        ] == []

    def test_the_tables_are_current(self) -> None:
        there = Counter((example.page, example.commands) for example in examples())
        assert {key: there[key] for key in NOT_RUN} == dict.fromkeys(NOT_RUN, 1)
        firsts = {(example.page, example.first) for example in run_here(*SHELLS)}
        assert set(SAYS) <= firsts
        assert set(FILES) | set(TYPED) <= {page for page, _ in firsts}

    @pytest.mark.parametrize("named", [covered for _, covered in NOT_RUN.values()])
    def test_what_covers_the_others_is_there(self, named: str) -> None:
        path, _, test = named.partition("::")
        assert f"def {test}(" in (ROOT / path).read_text() if test else (ROOT / path).is_file()


@pytest.mark.parametrize("page", dict.fromkeys(example.page for example in run_here(*SHELLS)))
def test_the_commands_of_a_page_run(
    page: str, place: Place, start_terminal: Callable[..., Terminal]
) -> None:
    """One after the other, on a terminal; those for one shell are typed into one shell."""
    require("rsync", "scp", "zsh", "fish")
    place.write(FILES.get(page, {}))
    blocks = [example for example in run_here(*SHELLS) if example.page == page]
    shown = ""
    for language in dict.fromkeys(block.language for block in blocks):
        program, *options = SHELLS[language]
        text = "\n".join(
            f"echo '=== {block}'\n{block.text}" for block in blocks if block.language == language
        )
        argv = [path_of(program), *options, "-c", text]
        terminal = start_terminal(argv, env=place.env, cwd=place.here)
        for awaited, answer in TYPED.get(page, []) if language == "sh" else []:
            terminal.expect(awaited)
            terminal.send_line(answer)
        shown += terminal.read_to_end().decode().replace("\r\n", "\n")
        assert terminal.wait() == 0, shown
    check(blocks, shown)


def check(blocks: list[Example], shown: str) -> None:
    """Each block was begun, and showed what it must."""
    parts = re.split(r"^=== (\S+)$", shown, flags=re.M)
    by_block = dict(zip(parts[1::2], parts[2::2], strict=True))
    assert list(by_block) == [str(block) for block in blocks]
    for block in blocks:
        for pattern in SAYS.get((block.page, block.first), []):
            assert re.search(pattern, by_block[str(block)], re.M), (pattern, by_block[str(block)])


@pytest.mark.parametrize("example", run_here("python"), ids=str)
def test_a_python_example_runs(example: Example, place: Place) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PRELUDE + example.text],
        env=place.env,
        cwd=place.here,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=2 * DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("example", run_here("toml"), ids=str)
def test_a_configuration_is_read(example: Example) -> None:
    config = parse_toml(example.text.encode(), "config.toml")
    for host in ("build.example.com", "www.example.com", "db1", "lab-7", "other"):
        config.policy([host], {})


OPTIONS = {option.partition(" ")[0] for option, _ in option_rows()}
BEHIND = {
    command.name: {
        option.partition(" ")[0]
        for options in (command.options, *(word.options for word in command.words))
        for option, _ in options
    }
    for command in COMMANDS
}


@pytest.mark.parametrize("page", PAGES)
def test_a_command_in_the_text_is_one_that_exists(page: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```$", "", (ROOT / page).read_text())
    for span in re.findall(r"`(keepshell [^`]*)`", text):
        words = re.findall(r"[^\s\[\]|]+", span)[1:]
        if words[:1] == ["1"]:  # the first line of the holder's own protocol
            continue
        known = OPTIONS
        for place, word in enumerate(words):
            if word in BEHIND and known is OPTIONS:
                known = BEHIND[word] | ({"--"} if word in ("exec", "run") else set())
            elif word == "--":
                break
            elif word.startswith("--"):
                assert word in known, span
            elif known is OPTIONS:  # the value of an option
                assert place, span
                assert words[place - 1] in OPTIONS, span


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text())
    here = (ROOT / page).parent
    assert [name for name in targets if "://" not in name and not (here / name).exists()] == []


def test_the_picture_of_the_demo_is_whole() -> None:
    for theme in ("light", "dark"):
        shown = re.sub(r"\s+", " ", drawn(f"demo-{theme}"))
        assert re.search(r"you are cut\. .* answers after \d+ s without a key", shown)


def drawn(name: str) -> str:
    """The text of a picture, which must be an SVG that calls nobody."""
    path = ROOT / "docs" / "pictures" / f"{name}.svg"
    picture = ElementTree.parse(path).getroot()
    assert picture.tag == "{http://www.w3.org/2000/svg}svg"
    assert "url(http" not in path.read_text()
    return "\n".join(picture.itertext()).replace("\xa0", " ")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_pictures_show_what_the_commands_print(theme: str) -> None:
    """Drawn anew by scripts/pictures when the output has changed: these are its fixed parts."""
    status = drawn(f"status-{theme}")
    for text in ("KEPT BY", "harmless input", "cut in 4m: TMOUT 10m", "no answer for 40s"):
        assert text in status
    assert "keepshell config set lab-7 empty_line=true" in drawn(f"explain-{theme}")
    assert "6 sessions on 3 hosts" in drawn(f"history-{theme}")


def test_every_page_is_in_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert [page for page in sorted(pages) if f"({page})" not in index] == []


def test_the_levels_are_all_there() -> None:
    page = (ROOT / "README.md").read_text()
    ladder = page.partition("## Levels")[2].partition("\n## ")[0]
    assert re.findall(r"^\| [\w ]+ \| `([\w-]+)` \|", ladder, re.M) == [
        rung.label for rung in RUNGS
    ]


def test_every_row_of_the_table_of_callers_names_a_test() -> None:
    page = (ROOT / "docs" / "callers.md").read_text()
    named = set(re.findall(r"\| `((?:\w+::)?test_\w+)` \|$", page, re.M))
    there = set()
    for name, item in vars(test_exec_callers).items():
        if name.startswith("test_"):
            there.add(name)
        elif name.startswith("Test"):
            there |= {f"{name}::{method}" for method in vars(item) if method.startswith("test_")}
    assert named == there
