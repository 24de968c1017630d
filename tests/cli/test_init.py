"""`keepshell init`: the function `ssh` and the completions, in the shells themselves."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import takewhile
from pathlib import Path

import pytest

import keepshell
from keepshell.cli import commands, completion, share
from keepshell.config.settings import option_rows
from keepshell.core.rules.kinds import KINDS, PROBE, Rule
from keepshell.process import started_at
from keepshell.store import holds
from keepshell.store.database import State
from tests.cli.test_status import Live, keep_shells
from tests.support import npm
from tests.support.processes import is_gone
from tests.support.programs import STRICT, path_of
from tests.support.terminal import Terminal
from tests.support.waiting import DEADLINE, eventually

ROOT = Path(keepshell.__file__).parents[1]
BASH_COMPLETION = Path("/usr/share/bash-completion/bash_completion")
REAL = "#!/bin/sh\nprintf '%s ' \"$@\"\n"
OURS = "-o ServerAliveInterval=60 -o ServerAliveCountMax=20"

# What a shell may not pay for at each of its starts.
SLOW = {"argparse", "dataclasses", "json", "pathlib", "re", "subprocess", "tomllib", "typing"}

# How to start each shell without the user's files, and how it evaluates what we print.
SHELLS = {
    "bash": (["bash", "--norc", "--noprofile"], 'eval "$(keepshell init bash)"'),
    "zsh": (["zsh", "-f"], 'eval "$(keepshell init zsh)"'),
    "fish": (["fish"], "keepshell init fish | source"),
}


@pytest.fixture
def env(keepshell_exe: Path, tmp_path: Path) -> dict[str, str]:
    """keepshell on PATH, and a real ssh that prints its arguments."""
    real = tmp_path / "real"
    real.write_text(REAL)
    real.chmod(0o755)
    path = f"{keepshell_exe.parent}:/usr/local/bin:/usr/bin:/bin"
    return {**os.environ, "PATH": path, "KEEPSHELL_SSH": str(real), "INPUTRC": "/dev/null"}


def run(argv: Sequence[str], env: Mapping[str, str]) -> str:
    """What a command prints."""
    argv = [shutil.which(argv[0], path=env["PATH"]) or path_of(argv[0]), *argv[1:]]
    done = subprocess.run(
        argv,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish", "nu", "elvish", "tcsh"])
def test_the_completions_alone(shell: str, env: dict[str, str]) -> None:
    alone = run(["keepshell", "init", shell, "--no-ssh"], env)
    whole = run(["keepshell", "init", shell], env)
    assert whole.endswith(alone)
    assert len(whole) > len(alone)


class TestFunction:
    @pytest.mark.parametrize("shell", SHELLS)
    def test_ssh_is_kept_alive(self, shell: str, env: dict[str, str]) -> None:
        start, evaluate = SHELLS[shell]
        called = run([*start, "-c", f"{evaluate}; ssh -F none host 'a b'"], env)
        assert called == f"{OURS} -F none host a b "

    @pytest.mark.parametrize("word", ["-h", "--help"])
    @pytest.mark.parametrize("shell", SHELLS)
    def test_help_is_ssh_s_own(self, shell: str, word: str, env: dict[str, str]) -> None:
        start, evaluate = SHELLS[shell]
        done = subprocess.run(
            [*start, "-c", f"{evaluate}; ssh {word}"],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
        bare = subprocess.run([path_of("ssh"), word], capture_output=True, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (255, b"", bare.stderr)

    @pytest.mark.parametrize("shell", ["bash", "zsh"])
    def test_an_alias_of_the_user_s_stays(self, shell: str, env: dict[str, str]) -> None:
        start, evaluate = SHELLS[shell]
        lines = ["alias ssh='ssh -A'", evaluate, "ssh -F none host"]
        if shell == "bash":
            lines.insert(0, "shopt -s expand_aliases")
        called = run([*start, "-c", "\n".join(f"eval {_quoted(line)}" for line in lines)], env)
        assert called == f"{OURS} -A -F none host "

    @pytest.mark.parametrize("shell", SHELLS)
    def test_scripts_are_left_alone(self, shell: str, env: dict[str, str], tmp_path: Path) -> None:
        start, evaluate = SHELLS[shell]
        line = f"{evaluate}; sh -c 'command -v ssh'"
        assert run([*start, "-c", line], env) == f"{path_of('ssh')}\n"

    @pytest.mark.parametrize("shell", SHELLS)
    def test_a_keepshell_that_is_not_on_path(
        self, shell: str, env: dict[str, str], keepshell_exe: Path, tmp_path: Path
    ) -> None:
        link = tmp_path / "it's here" / "keepshell"
        link.parent.mkdir()
        link.symlink_to(keepshell_exe)
        env["PATH"] = "/usr/bin:/bin"
        printed = run([str(link), "init", shell], env)
        start, _ = SHELLS[shell]
        assert run([*start, "-c", f"{printed}\nssh -F none host"], env) == f"{OURS} -F none host "

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["init"], "init needs one of bash, zsh, fish, nu, elvish, tcsh: keepshell init bash"),
            (
                ["init", "bash", "zsh"],
                "init bash takes no arguments, found zsh",
            ),
            (["init", "ksh"], "init ksh: unknown; did you mean zsh?"),
            (["--rung", "off", "init", "bash"], "init takes no --rung"),
        ],
        ids=str,
    )
    def test_what_it_refuses(self, words: list[str], said: str, keepshell_exe: Path) -> None:
        done = subprocess.run([keepshell_exe, *words], capture_output=True, check=False)
        assert (done.returncode, done.stdout) == (2, b"")
        assert done.stderr.decode() == f"keepshell: {said}\n"

    def test_it_loads_nothing_slow(self) -> None:
        """A shell evaluates it at every start."""
        program = (
            "import sys; sys.path.insert(0, sys.argv[1]); from keepshell.cli.main import main; "
            "main(['keepshell', 'init', 'zsh']); print('#', *sys.modules)"
        )
        argv = [sys.executable, "-I", "-S", "-c", program, str(ROOT)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        loaded = set(done.stdout.splitlines()[-1].split())
        assert "keepshell.cli.completion" in loaded
        assert loaded & SLOW == set()


def _quoted(line: str) -> str:
    return "'" + line.replace("'", "'\\''") + "'"


def bash_completions(
    line: str, env: Mapping[str, str], *, before: str = "", listing: bool = False
) -> list[str]:
    """What bash would offer for the line, asked as readline asks: the words split as by it."""
    words = re.findall(r"[=:]|[^\s=:]+", line) + ([""] if line.endswith(" ") else [])
    array = " ".join(_quoted(word) for word in words)
    asked = f"""
        {before}
        compopt() {{ :; }}
        {SHELLS["bash"][1]}
        COMP_WORDS=({array}) COMP_CWORD={len(words) - 1} COMP_LINE={_quoted(line)}
        COMP_POINT=${{#COMP_LINE}} COMP_TYPE={63 if listing else 9}
        name=${{COMP_WORDS[0]}}
        complete -p $name >/dev/null 2>&1 || _completion_loader $name
        spec=$(complete -p $name)
        spec=${{spec#* -F }}
        "${{spec%% *}}" $name "${{COMP_WORDS[COMP_CWORD]}}" ""
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    return sorted(filter(None, run([*SHELLS["bash"][0], "-c", asked], env).splitlines()))


def bash_completion_package() -> str:
    """The line that loads it; skips, or fails under STRICT, where it is not installed."""
    if not BASH_COMPLETION.exists():
        (pytest.fail if os.environ.get(STRICT) == "1" else pytest.skip)("no bash-completion")
    return f". {BASH_COMPLETION}"


def fish_completions(line: str, env: Mapping[str, str]) -> list[str]:
    """What fish would offer for the line, each with its description behind a tab."""
    asked = f"{SHELLS['fish'][1]}; complete --do-complete={_quoted(line)}"
    return sorted(run([*SHELLS["fish"][0], "-c", asked], env).splitlines())


COMMANDS = sorted(command.name for command in commands.COMMANDS)
OPTIONS = sorted(option.partition(" ")[0] for option, _ in option_rows())
RUNGS = ["empty-line", "no-op", "off", "server-alive", "window-change"]


def sorted_words(name: str) -> list[commands.Word]:
    """The words of a command, by name."""
    row = commands.row_of(name)
    assert row is not None
    return sorted(row.shown_words, key=lambda word: word.name)


# A line, and the words that are offered at its end.
OFFERED = [
    ("keepshell ", COMMANDS),
    ("keepshell e", [name for name in COMMANDS if name.startswith("e")]),
    ("keepshell --", OPTIONS),
    ("keepshell --dry-run --s", [name for name in OPTIONS if name.startswith("--s")]),
    ("keepshell --rung ", RUNGS),
    ("keepshell --rung w", ["window-change"]),
    ("keepshell --rung off sh", ["shim"]),
    ("keepshell --xon ", ["false", "true"]),
    ("keepshell --no-op n", ["never"]),
    ("keepshell shim ", ["install", "remove", "status"]),
    ("keepshell shim install --", ["--dir"]),
    ("keepshell --rung=off shim install --dir /etc/ssh", ["/etc/ssh/"]),
    ("keepshell --ssh /etc/hostn", ["/etc/hostname"]),
    ("keepshell init ", ["bash", "elvish", "fish", "nu", "tcsh", "zsh"]),
    ("keepshell init zsh --", ["--no-ssh"]),
    ("keepshell config set web emp", ["empty_line="]),
    ("keepshell config unset web emp", ["empty_line"]),
    ("keepshell config ", [word.name for word in sorted_words("config")]),
    ("keepshell help st", ["status"]),
    ("keepshell history --", ["--dropped", "--host", "--json", "--since"]),
    ("keepshell history --host x --j", ["--json"]),
    ("keepshell off -", []),
    ("keepshell probe --", ["--floor", "--json", "--limit", "--measure", "--read", "--script"]),
    ("keepshell --rung off probe --json --m", ["--measure"]),
    ("keepshell explain --", ["--all", "--json"]),
]


class TestBash:
    @pytest.mark.parametrize(("line", "offered"), OFFERED)
    def test_our_own_words(self, line: str, offered: list[str], env: dict[str, str]) -> None:
        found = bash_completions(line, env)
        assert [word.rstrip("/") for word in found] == [word.rstrip("/") for word in offered]

    def test_an_equals_sign(self, env: dict[str, str]) -> None:
        assert bash_completions("keepshell --rung=", env) == RUNGS
        assert bash_completions("keepshell --rung=w", env) == ["window-change"]
        assert bash_completions("keepshell --rung=off in", env) == ["init"]

    def test_meanings_are_listed_and_not_inserted(self, env: dict[str, str]) -> None:
        listed = bash_completions("keepshell shim ", env, listing=True)
        assert [re.split(r" +\(", word)[0] for word in listed] == ["install", "remove", "status"]
        assert listed[1].endswith(" (delete what install has written)")
        assert bash_completions("keepshell shim i", env, listing=True) == ["install"]

    @pytest.mark.parametrize("line", ["-o ServerAl", "-o Server", "-F /etc/ho"])
    @pytest.mark.parametrize("start", ["keepshell ssh", "keepshell --rung off ssh"])
    def test_ssh_as_bash_completion_has_it(
        self, start: str, line: str, env: dict[str, str]
    ) -> None:
        package = bash_completion_package()
        wanted = bash_completions(f"ssh {line}", env, before=package)
        assert wanted
        assert bash_completions(f"{start} {line}", env, before=package) == wanted

    def test_other_commands_as_bash_completion_has_them(self, env: dict[str, str]) -> None:
        package = bash_completion_package()
        for start in ("exec --", "exec", "run"):
            line = f"keepshell {start} git chec"
            assert "checkout" in [
                word.strip() for word in bash_completions(line, env, before=package)
            ]
            line = f"keepshell {start} rsyn"
            assert "rsync" in bash_completions(line, env, before=package)

    @pytest.mark.parametrize(
        "spec",
        [
            "complete -W 'alpha also beta' ssh",
            "_mine() { COMPREPLY=(alpha also); [ $1$2$3 = sshalssh ] || COMPREPLY=(no); }; "
            "complete -F _mine ssh",
            "_mine() { COMPREPLY=(alpha also); [ \"$COMP_LINE\" = 'ssh al' ] || COMPREPLY=(no); "
            "((COMP_POINT == 6 && COMP_CWORD == 1)) || COMPREPLY=(no); }; "
            "complete -o default -F _mine ssh",
        ],
    )
    def test_what_the_user_has_made_for_ssh(self, spec: str, env: dict[str, str]) -> None:
        for line in ("keepshell ssh al", "keepshell --rung off ssh al", "keepshell explain al"):
            assert bash_completions(line, env, before=spec) == ["alpha", "also"]

    def test_nothing_is_known_of_ssh(self, env: dict[str, str]) -> None:
        assert bash_completions("keepshell ssh /etc/hostna", env) == ["/etc/hostname"]
        assert "rsync" in bash_completions("keepshell exec -- rsyn", env)

    def test_on_a_terminal(
        self, env: dict[str, str], start_terminal: Callable[..., Terminal]
    ) -> None:
        terminal = start_terminal([*SHELLS["bash"][0], "-i"], env=env, cols=120)
        terminal.send_line(f"PS1='> '; {SHELLS['bash'][1]}; echo read''y")
        terminal.expect("ready\r\n")
        terminal.send("keepshell sh\tinst\t\t/etc/ssh\t")
        terminal.expect("keepshell shim install --dir /etc/ssh/")
        terminal.send("\x15keepshell --rung=s\t\x15keepshell ini\t\t\t")
        terminal.expect("--rung=server-alive ")
        terminal.expect('bash                       (for ~/.bashrc: eval "$(keepshell init bash)")')


class TestFish:
    @pytest.mark.parametrize(("line", "offered"), OFFERED)
    def test_our_own_words(self, line: str, offered: list[str], env: dict[str, str]) -> None:
        found = [word.partition("\t")[0] for word in fish_completions(line, env)]
        assert found == offered

    def test_they_have_descriptions(self, env: dict[str, str]) -> None:
        assert "remove\tdelete what install has written" in fish_completions("keepshell shim ", env)
        assert dict(word.split("\t") for word in fish_completions("keepshell ", env)) == dict(
            completion._command_rows()
        )
        shown = dict(word.split("\t") for word in fish_completions("keepshell --", env))
        assert shown == {row[0].partition(" ")[0]: row[1] for row in option_rows()}

    @pytest.mark.parametrize("line", ["-o ServerAl", "-", "-o Server", "-F /etc/ho"])
    @pytest.mark.parametrize("start", ["keepshell ssh", "keepshell --rung off ssh"])
    def test_ssh_as_fish_has_it(self, start: str, line: str, env: dict[str, str]) -> None:
        wanted = fish_completions(f"ssh {line}", env)
        assert wanted
        assert fish_completions(f"{start} {line}", env) == wanted

    def test_other_commands(self, env: dict[str, str]) -> None:
        for start in ("exec --", "exec", "run"):
            offered = fish_completions(f"keepshell {start} git chec", env)
            assert offered == fish_completions("git chec", env)
            assert offered
            assert fish_completions(f"keepshell {start} rsyn", env)
        fish_completions("keepshell exec --", env)


class TestZsh:
    @pytest.fixture
    def terminal(self, env: dict[str, str], start_terminal: Callable[..., Terminal]) -> Terminal:
        """zsh with its completions and ours."""
        terminal = start_terminal([*SHELLS["zsh"][0], "-i"], env=env, rows=40, cols=120)
        terminal.send_line(
            "PS1='> '; unsetopt menu_complete auto_menu prompt_sp zle_bracketed_paste"
        )
        terminal.send_line(f"autoload -Uz compinit; compinit -u -D; {SHELLS['zsh'][1]}")
        terminal.send_line(
            "_done() { print -r -- \"<<$BUFFER>>\" }; zle -N _done; bindkey '^X' _done"
        )
        terminal.send_line("echo read''y")
        terminal.expect("ready\r\n")
        return terminal

    @staticmethod
    def completed(terminal: Terminal, line: str) -> str:
        """The line after a Tab."""
        terminal.send(f"\x15{line}\t\x18")
        match = terminal.expect(re.compile(rb"<<(.*)>>"))
        return match[1].decode()

    def test_our_own_words(self, terminal: Terminal) -> None:
        for line, offered in OFFERED:
            if line == "keepshell off -":
                continue
            same = zip(min(offered), max(offered), strict=False)
            wanted = "".join(one for one, _ in takewhile(lambda pair: pair[0] == pair[1], same))
            typed = line[line.rindex(" ") + 1 :]
            found = self.completed(terminal, line)
            assert found.rstrip(" /") == (line[: len(line) - len(typed)] + wanted).rstrip(" /")

    def test_they_have_descriptions(self, terminal: Terminal) -> None:
        terminal.send("\x15keepshell shim \t\t")
        for meaning in ("remove   -- delete what install has written", "status   -- where the"):
            terminal.expect(meaning)
        terminal.send("\x15keepshell --ou\t\x15keepshell --s\t\t")
        terminal.expect("--ssh                    -- the ssh to run instead of the first on PATH")

    @pytest.mark.parametrize("start", ["keepshell ssh", "keepshell --rung off ssh"])
    def test_ssh_as_zsh_has_it(self, start: str, terminal: Terminal) -> None:
        for line in ("-o ServerAliveC", "-o ServerA", "-F /etc/hostn"):
            wanted = self.completed(terminal, f"ssh {line}").removeprefix("ssh ")
            assert len(wanted) > len(line)
            assert self.completed(terminal, f"{start} {line}") == f"{start} {wanted}"

    def test_other_commands(self, terminal: Terminal) -> None:
        for start in ("exec --", "exec", "run"):
            found = self.completed(terminal, f"keepshell {start} git checkou")
            assert found.startswith(f"keepshell {start} git checkout")
            found = self.completed(terminal, f"keepshell {start} ssh-keyge")
            assert found.rstrip() == f"keepshell {start} ssh-keygen"


@pytest.fixture
def known(state: State) -> Iterator[Live]:
    """Hosts of which something is remembered, and a session that runs."""
    state.put_rules("me@web-01:22", PROBE, [Rule(KINDS["tmout"], 600, PROBE)])
    live = Live()
    live.add("lab-7", 60)
    yield live
    live.close()


@pytest.fixture
def held(env: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The record of a hold called `db-tunnel`; in a folder of a short path, for the sockets."""
    folder = tempfile.mkdtemp(prefix="ks")
    monkeypatch.setenv("XDG_RUNTIME_DIR", folder)
    env["XDG_RUNTIME_DIR"] = folder
    files = holds.files_of("db-tunnel", env)
    os.makedirs(files.folder, 0o700)
    alive = {"pid": os.getpid(), "start": started_at(os.getpid()), "socket": None}
    holds.write(files, {"name": files.name, "host": "me@db:22", **alive})
    yield files.name
    shutil.rmtree(folder)


class TestWhatKeepshellKnows:
    """What is offered after `forget`, `off` and `config set`, in every shell."""

    def offered(self, env: Mapping[str, str], *words: str) -> list[str]:
        said = run(["keepshell", "complete", *words], env)
        return [line.partition("\t")[0] for line in said.splitlines()]

    def test_hosts_sessions_keys_and_values(
        self, known: Live, env: dict[str, str], config_toml: Path
    ) -> None:
        config_toml.write_text('[host."db1"]\n[host."*.example.com"]\n')
        pid = str(known.processes[0].pid)
        assert self.offered(env, "forget", "") == ["web-01", "db1"]
        assert self.offered(env, "history", "w") == ["web-01"]
        assert self.offered(env, "off", "") == ["web-01", "db1", "lab-7", pid]
        assert self.offered(env, "config", "set", "d") == ["db1"]
        assert self.offered(env, "config", "set", "web", "rung=e") == ["rung=empty-line"]
        assert self.offered(env, "config", "set", "web", "xon", "=", "t") == ["true"]
        assert self.offered(env, "--rung", "off", "config", "unset", "web", "xo") == ["xon"]
        assert self.offered(env, "forget", "web", "") == []
        assert self.offered(env, "nonsense", "") == []

    def test_holds(self, held: str, env: dict[str, str], state: State) -> None:
        assert self.offered(env, "release", "") == [held]
        assert self.offered(env, "release", "--n") == ["--now"]
        state.put_rules("me@web-01:22", PROBE, [Rule(KINDS["tmout"], 600, PROBE)])
        assert self.offered(env, "hold", "") == [held, "web-01"]

    def test_kept_shells(self, env: dict[str, str]) -> None:
        keep_shells("web-01", "db", "db")
        assert self.offered(env, "attach", "") == ["web-01", "db:1", "db:2"]
        assert self.offered(env, "attach", "-p", "22", "we") == ["web-01"]
        assert bash_completions("keepshell attach we", env) == ["web-01"]
        found = fish_completions("keepshell attach db", env)
        assert {line.partition("\t")[0] for line in found} >= {"db:1", "db:2"}

    @pytest.mark.parametrize("command", ["release", "hold"])
    def test_holds_in_the_shells(
        self, command: str, held: str, env: dict[str, str], start_terminal: Callable[..., Terminal]
    ) -> None:
        assert held in bash_completions(f"keepshell {command} db-t", env)
        assert f"{held}\theld, me@db:22" in fish_completions(f"keepshell {command} db-t", env)
        terminal = start_terminal([*SHELLS["zsh"][0]], env=env, cols=120)
        terminal.send_line(
            f"autoload -U compinit && compinit -D && {SHELLS['zsh'][1]}; echo read''y"
        )
        terminal.expect("ready")
        terminal.send(f"keepshell {command} db-t\t")
        line = f"keepshell {command} {held}"
        terminal.wait_for_screen(lambda screen: screen.cursor_line.rstrip().endswith(line), line)

    def test_a_state_that_can_t_be_read_is_no_fault(
        self, env: dict[str, str], config_toml: Path
    ) -> None:
        config_toml.write_text("nonsense")
        assert self.offered(env, "forget", "") == []

    def test_bash(self, known: Live, env: dict[str, str]) -> None:
        assert bash_completions("keepshell forget w", env) == ["web-01"]
        assert bash_completions("keepshell config set web rung=emp", env) == ["empty-line"]
        assert bash_completions("keepshell config set web xon=", env) == ["false", "true"]
        assert bash_completions("keepshell off lab", env) == ["lab-7"]

    def test_fish(self, known: Live, env: dict[str, str]) -> None:
        assert fish_completions("keepshell forget w", env) == ["web-01\tremembered as me@web-01:22"]
        found = fish_completions("keepshell config set web xon=", env)
        assert found == ["xon=false", "xon=true"]

    def test_tcsh(self, env: dict[str, str], start_terminal: Callable[..., Terminal]) -> None:
        terminal = start_terminal([path_of("tcsh"), "-f"], env=env, cols=120)
        terminal.send_line('set prompt="READY> "; eval "`keepshell init tcsh`"')
        terminal.expect("READY> ")
        terminal.send("keepshell config set web emp\t")
        terminal.expect("empty_line=")
        terminal.send("\x15ssh -F none host\r")
        terminal.expect(f"{OURS} -F none host ")

    def test_nu(self, env: dict[str, str], tmp_path: Path) -> None:
        (nu,) = map(str, npm.modules("nushell@0.115.1").glob("@nushell/*/bin/nu"))
        script = tmp_path / "keepshell.nu"
        script.write_text(run(["keepshell", "init", "nu"], env))
        env["XDG_DATA_HOME"] = str(tmp_path / "data")

        def said(line: str) -> str:
            return run([nu, "--no-config-file", "-c", f"source {script}; {line}"], env)

        assert said("ssh -F none host") == f"{OURS} -F none host "
        found = said('nu-complete keepshell "keepshell config set web emp" | to json --raw')
        assert [row["value"] for row in json.loads(found)] == ["empty_line="]
        assert said("keepshell --version").startswith("keepshell ")

    def test_elvish(self, env: dict[str, str], start_terminal: Callable[..., Terminal]) -> None:
        terminal = start_terminal([path_of("elvish"), "-norc"], env=env, cols=120)
        terminal.send_line("eval (keepshell init elvish | slurp); echo read''y")
        terminal.expect("ready")
        terminal.send_line("ssh -F none host")
        terminal.expect(f"{OURS} -F none host ")
        terminal.send("keepshell config set web emp\t")
        terminal.expect("empty_line=")


class TestInstalledFiles:
    def test_they_are_what_the_program_would_print(self) -> None:
        for name, text in share.files().items():
            assert (ROOT / "docs" / "share" / name).read_text() == text, "run scripts/share"

    def test_bash_completion_finds_ours(self, env: dict[str, str]) -> None:
        env["XDG_DATA_DIRS"] = str(ROOT / "docs" / "share")
        asked = f"{bash_completion_package()}; _completion_loader keepshell; complete -p keepshell"
        assert run([*SHELLS["bash"][0], "-c", asked], env) == "complete -F _keepshell keepshell\n"

    def test_compinit_finds_ours(self, env: dict[str, str]) -> None:
        folder = (ROOT / "docs" / "share" / share.COMPLETIONS["zsh"]).parent
        asked = f"fpath=({folder} $fpath); autoload -Uz compinit; compinit -u -D"
        asked += "; print $_comps[keepshell]; whence -w ssh"
        assert run([*SHELLS["zsh"][0], "-c", asked], env) == "_keepshell\nssh: command\n"

    def test_fish_finds_ours(self, env: dict[str, str]) -> None:
        folder = (ROOT / "docs" / "share" / share.COMPLETIONS["fish"]).parent
        asked = f"set -a fish_complete_path {folder}; complete --do-complete='keepshell shim '"
        offered = run([*SHELLS["fish"][0], "-c", asked], env).splitlines()
        assert [word.split("\t")[0] for word in offered] == ["install", "remove", "status"]


class TestInTheBackground:
    """`ssh host &` at a prompt: the shell goes on, and to kill `$!` is to end ssh."""

    @pytest.fixture
    def env(self, env: dict[str, str], tmp_path: Path) -> dict[str, str]:
        """The real ssh says when it has begun, and runs until it is ended."""
        real = Path(env["KEEPSHELL_SSH"])
        real.write_text(
            "#!/bin/sh\ncase $* in *-G*) exit ;; esac\n"  # keepshell asks for the configuration
            f"echo $$ > {tmp_path}/begun.new\n"
        )
        with real.open("a") as file:
            file.write(f"mv {tmp_path}/begun.new {tmp_path}/begun\nexec sleep {DEADLINE}\n")
        return env

    @pytest.mark.parametrize("rest", ["", " >/dev/null 2>&1"])
    @pytest.mark.parametrize("shell", SHELLS)
    def test_it_ends_with_what_the_shell_waits_for(
        self,
        shell: str,
        rest: str,
        env: dict[str, str],
        start_terminal: Callable[..., Terminal],
        tmp_path: Path,
    ) -> None:
        start, evaluate = SHELLS[shell]
        terminal = start_terminal([*start, "-i"], env=env)
        terminal.send_line(f"{evaluate}; echo rea''dy")
        terminal.expect("ready")
        terminal.send_line(f"ssh -N host{rest} &")
        begun = tmp_path / "begun"
        eventually(begun.exists, lambda: f"an ssh\n{terminal.describe()}")
        ssh = int(begun.read_text())
        # fish may have started something of its own meanwhile: its $last_pid is not asked.
        terminal.send_line(f"kill {ssh if shell == 'fish' else '$!'}; echo kil''led")
        terminal.expect("killed")
        eventually(lambda: is_gone(ssh), lambda: f"the end of {ssh}\n{terminal.describe()}")

    def test_only_what_is_alone_on_the_line_is_told_apart_in_fish(
        self, env: dict[str, str], tmp_path: Path
    ) -> None:
        Path(env["KEEPSHELL_SSH"]).write_text(REAL)
        for line in ("ssh -F none host a\\&", "ssh -F none host 'a&'", "ssh -F none host a # &"):
            assert run(["fish", "-c", f"keepshell init fish | source\n{line}"], env)
