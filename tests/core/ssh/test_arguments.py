"""sshargs reads a command line as OpenSSH 9.2 does; what it says here, ssh itself said too.

`tests/sshd/test_sshargs_agrees.py` asks the installed ssh about the same things.
"""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.ssh.arguments import (
    Route,
    SshCommand,
    Unparsed,
    parse,
    probe_argv,
    remote_argv,
    route,
    without,
)

SFTP = (
    "-x -oPermitLocalCommand=no -oClearAllForwardings=yes -oRemoteCommand=none"
    " -oRequestTTY=no -p 22 -l u -s -- h sftp"
)
RSYNC = "-l u h rsync --server -vlogDtpre.iLsfxCIvu . /x"

COMMANDS = [
    # argv, host, user, port, command
    (["h"], "h", None, None, ()),
    (["h", "ls", "-l", "--", "a b"], "h", None, None, ("ls", "-l", "--", "a b")),
    (["-p22", "h"], "h", None, 22, ()),
    (["-p", "22", "h"], "h", None, 22, ()),
    (["-4p", "22", "h"], "h", None, 22, ()),
    (["-4Cp22", "h"], "h", None, 22, ()),
    (["-p", " +022", "h"], "h", None, 22, ()),
    (["-p", "ssh", "h"], "h", None, "ssh", ()),
    (["-p", "1", "-p", "no port", "h"], "h", None, 1, ()),
    (["h", "-p", "22"], "h", None, 22, ()),
    (["h", "-p", "22", "ls", "-p", "33"], "h", None, 22, ("ls", "-p", "33")),
    (["u@h"], "h", "u", None, ()),
    (["a@b@h"], "h", "a@b", None, ()),
    (["u@"], "", "u", None, ()),
    ([""], "", None, None, ()),
    (["-l", "a", "b@h", "-l", "c"], "h", "a", None, ()),
    (["b@h", "-l", "c"], "h", "b", None, ()),
    (["h", "-l", "c"], "h", "c", None, ()),
    (["-l", "", "b@h"], "h", "", None, ()),
    (["-oUser=a", "-l", "b", "h"], "h", "a", None, ()),
    (["-l", "b", "-oUser=a", "h"], "h", "b", None, ()),
    (["-oPort=1", "-p2", "h"], "h", None, 1, ()),
    (["[::1]"], "[::1]", None, None, ()),
    (["::1"], "::1", None, None, ()),
    (["SSH://h"], "SSH://h", None, None, ()),
    (["ssh://h"], "h", None, None, ()),
    (["ssh://h:"], "h", None, None, ()),
    (["ssh://h/"], "h", None, None, ()),
    (["ssh://h:33/"], "h", None, 33, ()),
    (["ssh://h.:ssh"], "h", None, "ssh", ()),
    (["ssh://[h]:33"], "h", None, 33, ()),
    (["ssh://u;fingerprint=x@h:33", "-p", "44"], "h", "u", 33, ()),
    (["-p", "44", "ssh://u@h:33"], "h", "u", 44, ()),
    (["ssh://a+b%40%c3%a9%ff@h"], "h", "a b@é\udcff", None, ()),
    # `--` ends the options, and those behind the host too if it stands before it
    (["--", "h", "-p", "22"], "h", None, None, ("-p", "22")),
    (["h", "--", "-p", "22"], "h", None, None, ("-p", "22")),
    (["h", "-4", "--", "-p", "22"], "h", None, None, ("-p", "22")),
    (["--", "h", "--", "x"], "h", None, None, ("--", "x")),
    # ssh takes any `--` before the host for the end, though getopt took it for a value
    (["-S", "--", "h", "-p", "22"], "h", None, None, ("-p", "22")),
    (["-S", "--", "-4", "h", "-p", "22"], "h", None, 22, ()),
    (["-S--", "h", "-p", "22"], "h", None, 22, ()),
    # getopt stops at a lone dash, and at a cluster that ends in one
    (["h", "-"], "h", None, None, ("-",)),
    (["h", "-4-", "x"], "h", None, None, ("-4-", "x")),
    (["h", ""], "h", None, None, ("",)),
    (["-S", "", "h"], "h", None, None, ()),
    # what calls ssh: scp, sftp, git, rsync
    (SFTP.split(), "h", "u", 22, ("sftp",)),
    (
        ["-o", "SendEnv=GIT_PROTOCOL", "-p", "22", "git@h", "git-upload-pack 'a b.git'"],
        "h",
        "git",
        22,
        ("git-upload-pack 'a b.git'",),
    ),
    (RSYNC.split(), "h", "u", None, ("rsync", "--server", "-vlogDtpre.iLsfxCIvu", ".", "/x")),
]


@pytest.mark.parametrize(("argv", "host", "user", "port", "words"), COMMANDS)
def test_reads_destination_and_command(
    argv: list[str], host: str, user: str | None, port: int | str | None, words: tuple[str, ...]
) -> None:
    command = parse(argv)
    assert (command.host, command.user, command.port) == (host, user, port)
    assert command.command == words
    assert command.render() == argv


REFUSED = [
    [],
    ["-4"],
    ["-Z", "h"],
    ["-1", "h"],
    ["-P", "tag", "h"],
    ["-é", "h"],
    ["--help"],
    ["-4-4", "h"],
    ["-p"],
    ["h", "-4p"],
    ["h", "-Z", "ls"],
    ["-"],
    ["-4-"],
    ["--", "-h"],
    ["@h"],
    ["a,b"],
    ["a b"],
    ["a\x7f"],
    ["$(x)"],
    ["-u@h"],
    ["u -x@h"],
    ["u\\@h"],
    ["u;x@h"],
    ["-l", "u\n", "h"],
    ["-p", "0", "h"],
    ["-p", "", "h"],
    ["-p", "-22", "h"],
    ["-p", "65536", "h"],
    ["-p", "9" * 5000, "h"],
    ["-p", "two words", "h"],
    ["ssh://"],
    ["ssh://@h"],
    ["ssh://;x@h"],
    ["ssh://a@b@h"],
    ["ssh://u%4@h"],
    ["ssh://u%00@h"],
    ["ssh://u%zz@h"],
    ["ssh://\ud800@h"],
    ["ssh://h:0"],
    ["ssh://h:/"],
    ["ssh://h/path"],
    ["ssh://h:22/path"],
    ["ssh://[::1]:22"],
    ["ssh://[h"],
    ["ssh://[h]x"],
    ["ssh://.h"],
    ["ssh://a..b"],
    ["ssh://a b"],
    ["-e", "", "h"],
    ["-e", "ab", "h"],
    ["-e", "^?", "h"],
    ["-e", "é", "h"],
    ["-oEscapeChar=ab", "h"],
    ["-N", "-s", "h", "x"],
    ["-s", "-N", "h"],
    ["-oSessionType=default", "-N", "h"],
    ["-s", "h"],
    ["-oSessionType=subsystem", "h"],
    ["-W", "a:1", "-s", "h", "x"],
    ["-W", "a:1", "-W", "a:1", "h"],
    ["-W", "a:1", "-O", "check", "h"],
    ["-O", "check", "-O", "exit", "h"],
    ["-J", "a", "-J", "b", "h"],
    ["-oProxyCommand=x", "-J", "b", "h"],
    ["-y", "-E", "log", "h"],
    ["-oRemoteCommand=x", "h", "ls"],
    ["-o", "Port", "h"],
    ["-o", "Port=", "h"],
    ["-o", "Port ''", "h"],
    ["-o", "Port #22", "h"],
    ["-o", "Port 22 23", "h"],
    ["-o", "Port 22'", "h"],
    ["-o", "Port==22", "h"],
    ["-o", '"Port"=22', "h"],
    ["-o", "User a b", "h"],
    ["-o", "Host h", "h"],
    ["-o", "match all", "h"],
    ["-o", "Include=x", "h"],
    ["-o", "RequestTTY=perhaps", "h"],
    ["-o", "SessionType=yes", "h"],
    ["-o", "LogLevel=loud", "h"],
]


@pytest.mark.parametrize("argv", REFUSED, ids=repr)
def test_leaves_to_ssh_what_ssh_refuses(argv: list[str]) -> None:
    with pytest.raises(Unparsed) as refusal:
        parse(argv)
    assert str(refusal.value)


OPTIONS = [
    # options, keyword, value
    ("", "Port", None),
    ("-4", "AddressFamily", "inet"),
    ("-4 -6", "AddressFamily", "inet6"),
    ("-C", "compression", "yes"),
    ("-oCompression=no -C", "compression", "yes"),
    ("-C -oCompression=no", "compression", "yes"),
    ("-p22", "port", "22"),
    ("-l u", "USER", "u"),
    ("-J a", "ProxyJump", "a"),
    ("-oProxyJump=a -oProxyJump=b", "ProxyJump", "a"),
    ("-S a -S b", "ControlPath", "b"),
    ("-oControlPath=a -S b", "ControlPath", "b"),
    ("-S b -oControlPath=a", "ControlPath", "b"),
    ("-e none -e ^A", "EscapeChar", "^A"),
    ("-e none -oEscapeChar=%", "EscapeChar", "none"),
    ("-oEscapeChar=% -e \udcff", "EscapeChar", "\udcff"),
    ("-t", "RequestTTY", "yes"),
    ("-tt", "RequestTTY", "force"),
    ("-ttt", "RequestTTY", "yes"),
    ("-oRequestTTY=true -t", "RequestTTY", "force"),
    ("-oRequestTTY=force -t", "RequestTTY", "yes"),
    ("-t -oRequestTTY=no", "RequestTTY", "yes"),
    ("-T -t", "RequestTTY", "yes"),
    ("-t -T", "RequestTTY", "no"),
    ("-oRequestTTY=FORCE -oRequestTTY=no", "RequestTTY", "force"),
    ("-N", "RequestTTY", "no"),
    ("-N", "SessionType", "none"),
    ("-oSessionType=none -N", "SessionType", "none"),
    ("-s -W a:1", "SessionType", "none"),
    ("-W a:1", "RequestTTY", "no"),
    ("-n", "StdinNull", "yes"),
    ("-f", "StdinNull", "yes"),
    ("-f", "ForkAfterAuthentication", "yes"),
    ("-oStdinNull=False", "StdinNull", "no"),
    ("-M", "ControlMaster", "yes"),
    ("-MM", "ControlMaster", "ask"),
    ("-oControlMaster=auto -M", "ControlMaster", "yes"),
    ("-q", "LogLevel", "QUIET"),
    ("-oLogLevel=silent", "LogLevel", "QUIET"),
    ("-oLogLevel=debug1 -oLogLevel=INFO", "LogLevel", "DEBUG"),
    ("-v", "LogLevel", "DEBUG"),
    ("-vq", "LogLevel", "QUIET"),
    ("-qv", "LogLevel", "DEBUG"),
    ("-vqv", "LogLevel", "FATAL"),
    ("-vv", "LogLevel", "DEBUG2"),
    ("-vvvv", "LogLevel", "DEBUG3"),
    ("-oServerAliveInterval=5 -oServerAliveInterval=6", "serveraliveinterval", "5"),
    ("-oProtocolKeepAlives=5", "ServerAliveInterval", "5"),
    ("-oSetupTimeout=5", "ProtocolKeepAlives", "5"),
    ("-oUnheardOf=x", "UnheardOf", "x"),
    ("-K", "GSSAPIDelegateCredentials", "yes"),
    ("-Y", "ForwardX11Trusted", "yes"),
]


@pytest.mark.parametrize(("options", "keyword", "value"), OPTIONS)
def test_knows_what_the_command_line_sets(options: str, keyword: str, value: str | None) -> None:
    assert parse([*options.split(" "), "h", "x"][not options :]).option(keyword) == value


LINES = [
    ("", None),
    (" ", None),
    ("# X=1", None),
    ('"X', None),
    (" =", None),
    ("X=1", "1"),
    ("X 1", "1"),
    ("X = 1", "1"),
    ("X\t=\t1 \f\n", "1"),
    ("X= 1", "1"),
    ("X==1", "=1"),
    ("X = = 1", "= 1"),
    ("=X=1", "1"),
    (" X=1", "1"),
    ('"X" 1', "1"),
    ('"X"1', "1"),
    ('X"" 1', "1"),
    ('X="a b"', "a b"),
    ("X='a b'", "a b"),
    ("X=a' b'c", "a bc"),
    ('X="it\'s"', "it's"),
    (r"X=a\ b", "a b"),
    (r"X=a\"b", 'a"b'),
    (r"X='a\ b'", r"a\ b"),
    (r"X=a\n", r"a\n"),
    ("X=a\\", "a\\"),
    ("X=a b  c", "a b c"),
    ("X=a #b", "a"),
    ("X=a#b", "a#b"),
    ("X=#b", ""),
]


@pytest.mark.parametrize(("line", "value"), LINES)
def test_reads_the_line_of_an_o_option(line: str, value: str | None) -> None:
    assert parse(["-o", line, "h"]).option("x") == value


def test_keeps_the_quotes_of_a_command_in_an_o_option() -> None:
    command = parse(["-o", "RemoteCommand = = echo 'a  b' # c", "h"])
    assert command.option("RemoteCommand") == "echo 'a  b' # c"


def test_takes_a_command_beside_a_remote_command_that_is_none() -> None:
    assert parse(["-oRemoteCommand=None", "h", "ls"]).command == ("ls",)


def test_gives_the_values_of_letters() -> None:
    line = "-F a -F b -E c -l u -l v -p1 -p2 -i k h -i l"
    command = parse(line.split())
    assert [command.value(letter) for letter in "FElpiS"] == ["b", "c", "u", "1", "l", None]


def test_names_the_letters_that_are_there() -> None:
    assert parse(["-tt4p22", "-oX=1", "h", "-v", "ls", "-q"]).flags == frozenset("t4pov")


@pytest.mark.parametrize(
    "argv", [["-V"], ["-4VZ", "h"], ["-Q", "cipher", "-Z"], ["-Qmac"]], ids=repr
)
def test_reads_nothing_behind_what_makes_ssh_exit(argv: list[str]) -> None:
    command = parse(argv)
    assert (command.host, command.command) == (None, ())
    assert command.render() == argv
    assert route(command, {}) == Route.ANSWER


def test_reads_the_host_before_what_makes_ssh_exit() -> None:
    command = parse(["-bad-", "h", "-V", "-Z"])
    assert (command.host, command.command) == ("h", ())


def test_compares_and_shows_command_lines() -> None:
    assert parse(["-4", "h"]) == parse(["-4", "h"])
    assert hash(parse(["-4", "h"])) == hash(parse(["-4", "h"]))
    assert parse(["-4", "h"]) != parse(["h", "-4"])
    assert parse(["h"]) != "h"
    assert repr(parse(["-4", "h"])) == "SshCommand(['-4', 'h'])"


ROUTES = [
    # argv, what ssh -G said, route
    ("h", {}, Route.PTY),
    ("u@h -p 22 -4", {}, Route.PTY),
    ("-V", {}, Route.ANSWER),
    ("-Q cipher", {}, Route.ANSWER),
    ("-G h", {}, Route.ANSWER),
    ("-O check h", {}, Route.ANSWER),
    ("h -G ls", {}, Route.ANSWER),
    ("-W a:1 h", {}, Route.EXEC),
    ("-N h", {}, Route.EXEC),
    ("-f h ls", {}, Route.EXEC),
    ("-n h", {}, Route.EXEC),
    ("-s h sftp", {}, Route.EXEC),
    ("-T h", {}, Route.EXEC),
    ("h ls", {}, Route.EXEC),
    ("-t h ls", {}, Route.PTY),
    ("-tt h ls", {}, Route.PTY),
    ("-tT h", {}, Route.EXEC),
    ("-Tt h ls", {}, Route.PTY),
    ("-oRequestTTY=no -t h", {}, Route.PTY),
    ("-t -oRequestTTY=no h", {}, Route.PTY),
    ("-oRequestTTY=no h", {}, Route.EXEC),
    ("-oRequestTTY=force h ls", {}, Route.PTY),
    ("-oRequestTTY=auto h ls", {}, Route.EXEC),
    ("-oSessionType=none h", {}, Route.EXEC),
    ("-oRemoteCommand=ls h", {}, Route.EXEC),
    ("-oRemoteCommand=ls -t h", {}, Route.PTY),
    ("-oRemoteCommand=None h", {}, Route.PTY),
    ("-oRemoteCommand== h", {}, Route.EXEC),
    ("h", {"requesttty": "false"}, Route.EXEC),
    ("h", {"requesttty": "auto", "sessiontype": "default", "stdinnull": "no"}, Route.PTY),
    ("h ls", {"requesttty": "true"}, Route.PTY),
    ("h ls", {"requesttty": "force"}, Route.PTY),
    ("-t h", {"requesttty": "false"}, Route.PTY),
    ("-T h", {"requesttty": "true"}, Route.EXEC),
    ("h", {"sessiontype": "none"}, Route.EXEC),
    ("h", {"sessiontype": "subsystem"}, Route.EXEC),
    ("-oSessionType=default h", {"sessiontype": "none"}, Route.PTY),
    ("h", {"stdinnull": "yes"}, Route.EXEC),
    ("-oStdinNull=no h", {"stdinnull": "yes"}, Route.PTY),
    ("h", {"forkafterauthentication": "yes"}, Route.EXEC),
    ("h", {"remotecommand": "ls"}, Route.EXEC),
    ("h", {"remotecommand": "none"}, Route.PTY),
    ("h", {"remotecommand": "ls", "requesttty": "true"}, Route.PTY),
    ("-oRemoteCommand=none h", {"remotecommand": "ls"}, Route.PTY),
]


@pytest.mark.parametrize(("line", "resolved", "expected"), ROUTES)
def test_chooses_the_route(line: str, resolved: dict[str, str], expected: str) -> None:
    assert route(parse(line.split()), resolved) == expected


def test_an_empty_command_is_none_as_in_ssh() -> None:
    assert route(parse(["h", ""]), {}) == Route.PTY
    assert route(parse(["h", "", ""]), {}) == Route.EXEC


PROBES = [
    ("h", "-G h"),
    ("-vvv h", "-G h"),
    ("-4vp22 -E log h -vqG", "-G -4 -p22 h -q"),
    ("-yX h", "-G -X h"),
    ("-o A=1 u@h -oB=2 ls -l", "-G -oA=1 u@h -oB=2 -- ls -l"),
    ("-S -- h -p 22", "-G -S-- h -- -p 22"),
    ("-S -- -v h -p 22", "-G -S-- h -p22"),
    ("-- h -v", "-G h -- -v"),
    ("h -4- -v", "-G h -4 -- -4- -v"),
    ("-M -S x -O check h", "-G -M -Sx -Ocheck h"),
]


@pytest.mark.parametrize(("line", "expected"), PROBES)
def test_probes_the_same_configuration(line: str, expected: str) -> None:
    assert probe_argv(parse(line.split())) == expected.split()


def test_probes_an_empty_value_as_a_word_of_its_own() -> None:
    assert probe_argv(parse(["-S", "", "h"])) == ["-G", "-S", "", "h"]


def test_does_not_probe_without_a_host() -> None:
    with pytest.raises(ValueError, match="no host"):
        probe_argv(parse(["-V"]))


def test_puts_options_in_front() -> None:
    command = parse(["-p22", "h", "-v", "ls", "-l"])
    kept = command.with_options([("ServerAliveInterval", "60"), ("ServerAliveCountMax", "20")])
    assert kept.render() == [
        *("-o", "ServerAliveInterval=60", "-o", "ServerAliveCountMax=20"),
        *("-p22", "h", "-v", "ls", "-l"),
    ]
    assert kept.option("serveraliveinterval") == "60"
    assert command.option("serveraliveinterval") is None
    assert command.with_options([]) == command


def test_refuses_to_add_what_ssh_would_refuse() -> None:
    with pytest.raises(Unparsed):
        parse(["h"]).with_options([("Port", "0")])


PLAIN = "246aCfgGkKMnqtvxXYAT"
WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
VALUES = {
    "p": st.integers(1, 65535).map(str),
    "l": st.text("abz09.@_-", min_size=1).filter(lambda name: name[0] != "-"),
    "e": st.sampled_from(["none", "~", "^A", "-"]),
    "o": st.sampled_from(["X=1", "ServerAliveInterval 5", "", "#", "-o=1", "Y = 'a b'"]),
} | dict.fromkeys("bBcDEFiILmRSw", WORDS)
CHOICES = [st.tuples(st.sampled_from(PLAIN), st.just(""))] + [
    st.tuples(st.just(letter), values) for letter, values in VALUES.items()
]
LETTERS = st.lists(st.one_of(CHOICES), max_size=8)
HOSTS = st.text(string.ascii_letters + string.digits + ".:[]%_", min_size=1, max_size=9)


@st.composite
def option_words(draw: st.DrawFn, letters: list[tuple[str, str]]) -> list[str]:
    """These letters as words, clustered and attached at random."""
    words: list[str] = []
    open_cluster = False
    for letter, value in letters:
        if open_cluster and draw(st.booleans()):
            words[-1] += letter
        else:
            words.append("-" + letter)
        open_cluster = letter in PLAIN
        if not open_cluster:
            if value and draw(st.booleans()):
                words[-1] += value
            else:
                words.append(value)
    return words


@st.composite
def pieces(draw: st.DrawFn) -> tuple[list[str], dict[str, object]]:
    """An argv, and what it consists of."""
    before, after = draw(LETTERS), draw(LETTERS)
    words = draw(option_words(before))
    host, command = draw(HOSTS), draw(st.lists(WORDS, max_size=4))
    if draw(st.booleans()):
        words.append("--")
    if words and words[-1] == "--":
        after = []
    words = [*words, host, *draw(option_words(after))]
    if not command or command[0].startswith("-"):
        command = ["ls", *command]
    consists_of: dict[str, object] = {
        "host": host,
        "letters": [*before, *after],
        "command": tuple(command),
    }
    return [*words, *command], consists_of


@given(pieces())
def test_takes_apart_what_was_put_together(made: tuple[list[str], dict[str, object]]) -> None:
    argv, given_pieces = made
    command = parse(argv)
    assert command.host == given_pieces["host"]
    assert command.command == given_pieces["command"]
    letters = given_pieces["letters"]
    assert isinstance(letters, list)
    assert command.flags == {letter for letter, _ in letters}
    for letter in VALUES:
        values = [value for found, value in letters if found == letter]
        expected = values[0 if letter in "lp" else -1] if values else None
        assert command.value(letter) == expected
    assert command.render() == argv


ODD_WORDS = st.one_of(
    st.text("-14pPoOSVNtTsWEJvyh=@:/.[] \"'%\\#", max_size=8),
    st.sampled_from(["--", "-", "", "h", "u@h", "ssh://u@h:1/", "-o", "-p", "-S", "-4-", "X=1"]),
    st.text(max_size=5),
)
KEYWORDS = [
    "user",
    "port",
    "requesttty",
    "sessiontype",
    "stdinnull",
    "controlpath",
    "x",
    "proxyjump",
]


@pytest.mark.parametrize(
    ("typed", "run"),
    [
        ("h", "-tt -e none h run"),
        ("-p 22 -v u@h -A", "-p22 -v -A -tt -e none u@h run"),
        ("-e % -E log h", "-e% -Elog -tt -e none h run"),
        ("-- ssh://h:33", "-tt -e none ssh://h:33 run"),
    ],
)
def test_a_command_of_ours_comes_after_every_option(typed: str, run: str) -> None:
    """The last -e is the one that ssh takes; what is not for the probe stays here."""
    argv = remote_argv(parse(typed.split()), ["-tt", "-e", "none"], "run")
    assert argv == run.split()
    found = parse(argv)
    assert (found.host, found.command) == (parse(typed.split()).host, ("run",))
    assert remote_argv(parse(["h"]), (), "two words")[-1] == "two words"


@given(st.lists(ODD_WORDS, max_size=7))
def test_parses_any_words_without_loss_or_not_at_all(argv: list[str]) -> None:
    try:
        command = parse(argv)
    except Unparsed:
        return
    assert command.render() == argv
    assert route(command, {}) in (Route.ANSWER, Route.EXEC, Route.PTY)
    if command.host is not None and not command.flags & {"V", "Q"}:
        assert facts(parse(probe_argv(command)[1:])) == facts(command)


@given(st.lists(ODD_WORDS, max_size=7), st.lists(st.sampled_from(["Aa=1", "Bb=x y"]), max_size=2))
def test_adds_options_and_changes_nothing_else(argv: list[str], added: list[str]) -> None:
    try:
        command = parse(argv)
    except Unparsed:
        return
    more = command.with_options([(pair[:2], pair[3:]) for pair in added])
    assert more.render() == [word for pair in added for word in ("-o", pair)] + argv
    assert facts(more) == facts(command)
    for pair in added:
        assert more.option(pair[:2]) == pair[3:]


def facts(command: SshCommand) -> list[object]:
    """All that a command line says, apart from its letters."""
    settings = [command.option(keyword) for keyword in KEYWORDS]
    return [command.host, command.user, command.port, command.command, *settings]


def test_a_command_without_some_of_its_letters() -> None:
    command = parse(["-fNL", "1:h:2", "-p22", "me@h", "-T", "-l", "x", "uptime"])
    assert without(command, "fNT") == ["-L1:h:2", "-p22", "-lx", "me@h"]


def test_the_tunnels_that_are_typed() -> None:
    command = parse(["-L1:h:2", "-NR", "3", "h", "-D", "4", "-oLocalForward=5 h:6"])
    assert command.forwards == [("-L", "1:h:2"), ("-R", "3"), ("-D", "4")]
