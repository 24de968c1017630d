"""From the text of config.toml and the words of a command line to a policy, or to an error.

Every message is asserted whole: it names the file and the line or the key, what was expected, what
was found, and what to do.
"""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from keepshell.config import load, settings
from keepshell.config.load import parse_toml
from keepshell.config.settings import take_options
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import RUNGS, Rung
from keepshell.errors import UsageError

RUNG_NAMES = '"off", "server-alive", "window-change", "no-op", "empty-line"'
EXAMPLES = 'such as "90s" or "15m"'
WHOLE = f'expected whole seconds from 1s to 24d, {EXAMPLES} (for none, set rung = "off")'
OUTAGE = f"expected a duration from 1s to 24d, {EXAMPLES}"
WINDOW = f'expected a duration from 0.1s to 24d, {EXAMPLES} (for none, set rung = "server-alive")'
SECTION = 'expected a section, as in [default] or [host."*.example.com"]'
KNOWN = (
    "known: rung, server_alive_interval, outage_tolerance, window_change_interval, no_op, "
    "no_op_interval, xon, empty_line, idle_limit, rules, hold_for, warn, "
    "reattach, reattach_keep, title, hints, ssh"
)


def policy(text: str, *names: str, **options: Any) -> Policy:
    return parse_toml(text.encode(), "config.toml").policy(names, options).policy


def refusal(text: str | bytes) -> str:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(UsageError) as caught:
        parse_toml(data, "config.toml")
    assert caught.value.exit_code == 2
    return str(caught.value)


class TestValues:
    def test_an_empty_file_leaves_the_defaults(self) -> None:
        effective = parse_toml(b"", "config.toml").policy(["web"], {})
        for name in settings.KEYS:
            assert getattr(effective.policy, name) == getattr(Policy(), name)
            assert effective.sources[name] == "default"

    def test_every_key(self) -> None:
        made = policy(
            """
            [default]
            rung = "server-alive"
            server_alive_interval = "2m"
            outage_tolerance = "1h"
            window_change_interval = "0.5s"
            ssh = "/opt/bin/ssh"
            """
        )
        assert made.rung is Rung.SERVER_ALIVE
        assert made.server_alive_interval == 120
        assert made.outage_tolerance == 3600
        assert made.window_change_interval == 0.5
        assert made.ssh == "/opt/bin/ssh"

    @pytest.mark.parametrize("rung", RUNGS)
    def test_every_rung_by_its_name(self, rung: Rung) -> None:
        assert policy(f'[default]\nrung = "{rung.label}"').rung is rung

    @pytest.mark.parametrize("value", ["90s", "1.5m", "1m30s", "1m 30s"])
    def test_a_duration_has_a_unit(self, value: str) -> None:
        made = policy(f'[default]\nserver_alive_interval = "{value}"')
        assert made.server_alive_interval == 90
        assert isinstance(made.server_alive_interval, int)  # ssh takes no "90.0"

    @pytest.mark.parametrize("value", ["15", '"15"', '" 15 "'])
    def test_a_bare_number_may_be_minutes_or_seconds(self, value: str) -> None:
        asked = "a duration has a unit: 15m or 15s?"
        assert refusal(f"[default]\nidle_limit = {value}").endswith(f"idle_limit: {asked}")
        with pytest.raises(UsageError, match=re.escape(f"--idle-limit: {asked}")):
            take_options(["--idle-limit", value.strip('" ')])

    @pytest.mark.parametrize(
        ("key", "least"),
        [("server_alive_interval", 1), ("outage_tolerance", 1), ("window_change_interval", 0.1)],
    )
    def test_the_bounds_belong_to_the_durations(self, key: str, least: float) -> None:
        assert getattr(policy(f'[default]\n{key} = "{least}s"'), key) == least
        assert getattr(policy(f'[default]\n{key} = "24d"'), key) == 24 * 86400
        assert f"{key}: expected" in refusal(f'[default]\n{key} = "{least * 0.99}s"')
        assert f"{key}: expected" in refusal(f'[default]\n{key} = "{24 * 86400 + 1}s"')

    def test_no_program_is_named_by_default_and_any_can_be(self) -> None:
        key = settings.KEYS["ssh"]
        assert Policy().ssh is None
        assert key.read(key.kind.show("/usr/bin/ssh")) == "/usr/bin/ssh"

    def test_a_byte_order_mark_and_crlf_are_no_fault(self) -> None:
        data = b'\xef\xbb\xbf[default]\r\nrung = "off"\r\n'
        assert parse_toml(data, "config.toml").policy([], {}).policy.rung is Rung.OFF

    @example("1")
    @given(st.floats() | st.integers() | st.text(max_size=6))
    def test_whatever_is_given_an_interval_is_in_its_bounds_or_refused(self, value: object) -> None:
        key = settings.KEYS["window_change_interval"]
        try:
            seconds = key.read(value)
        except ValueError as error:
            starts = (WINDOW + ", found ", "a duration has a unit: ")
            assert str(error).startswith(starts)  # noqa: PT017 - both may happen
        else:
            assert 0.1 <= seconds <= 24 * 86400


class TestHosts:
    TEXT = """
        [default]
        server_alive_interval = "10s"
        outage_tolerance = "100s"

        [host."web1"]
        server_alive_interval = "11s"

        [host."web*, !web9"]
        server_alive_interval = "12s"
        outage_tolerance = "102s"

        [host.'*']
        window_change_interval = "13s"
    """

    @pytest.mark.parametrize(
        ("names", "interval", "tolerance", "window_change"),
        [
            (["db"], 10, 100, 13),
            (["web1"], 11, 102, 13),
            (["web2"], 12, 102, 13),
            (["WEB2"], 12, 102, 13),
            (["web9"], 10, 100, 13),
            (["short", "web1"], 11, 102, 13),
            (["web1", "web9"], 11, 100, 13),
            ([], 10, 100, 60),
        ],
    )
    def test_the_first_section_that_sets_a_key_wins(
        self, names: list[str], interval: int, tolerance: int, window_change: int
    ) -> None:
        made = policy(self.TEXT, *names)
        assert made.server_alive_interval == interval
        assert made.outage_tolerance == tolerance
        assert made.window_change_interval == window_change

    def test_tomllib_and_the_plain_reader_agree_on_the_order(self) -> None:
        text = '[host."*"]\nrung = "off"\n[host."web"]\nrung = "server-alive"\n'
        assert policy(text, "web").rung is Rung.OFF
        assert policy(text.replace('"off"', "'off'"), "web").rung is Rung.OFF

    def test_has_hosts(self) -> None:
        assert parse_toml(self.TEXT.encode(), "config.toml").has_hosts
        assert not parse_toml(b"[default]\nrung = 'off'", "config.toml").has_hosts
        assert not load.Config().has_hosts


class TestSources:
    PLAIN = '# note\n[default]\nrung = "off"\n\n[host."web*"]\nserver_alive_interval = "30s"\n'

    @pytest.mark.parametrize("text", [PLAIN, PLAIN.replace('"off"', "'off'")])
    def test_each_value_tells_where_it_came_from(self, text: str) -> None:
        environ = {"KEEPSHELL_SSH": "/usr/bin/ssh"}
        effective = parse_toml(text.encode(), "config.toml", environ).policy(
            ["web1"], {"outage_tolerance": 3600.0}
        )
        assert effective.sources == {
            "rung": "config.toml:3 [default] rung",
            "server_alive_interval": 'config.toml:6 [host."web*"] server_alive_interval',
            "outage_tolerance": "--outage-tolerance",
            "window_change_interval": "default",
            **dict.fromkeys(("no_op", "no_op_interval", "xon", "empty_line"), "default"),
            **dict.fromkeys(("idle_limit", "rules", "warn", "title", "hints"), "default"),
            **dict.fromkeys(("hold_for", "reattach", "reattach_keep"), "default"),
            "ssh": "KEEPSHELL_SSH",
        }

    def test_a_variable_without_a_name_is_no_setting(self) -> None:
        """`env =v program` makes one."""
        assert load.Config((), {"": "v"}).policy([], {}).policy.ssh is None

    def test_an_option_beats_the_environment_beats_the_file(self) -> None:
        data = b'[default]\nssh = "/file"'
        for environ, options, winner in [
            ({}, {}, "/file"),
            ({"KEEPSHELL_SSH": ""}, {}, "/file"),
            ({"KEEPSHELL_SSH": "/environ"}, {}, "/environ"),
            ({"KEEPSHELL_SSH": "/environ"}, {"ssh": "/option"}, "/option"),
        ]:
            loaded = parse_toml(data, "config.toml", environ)
            assert loaded.policy([], options).policy.ssh == winner

    def test_flags_among_the_options_are_no_settings(self) -> None:
        assert policy("", dry_run="").rung is Rung.EMPTY_LINE

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[default] # note\nrung = 'off'", 2),
            ("[ 'default' ]\n\n  \"rung\" = 'off'", 3),
            ("default.rung = 'off'", 1),
            ("\ndefault = { rung = 'off' }", 2),
            ("[default]\n# rung = 1\nssh = '/a=b'\nrung\t= 'off'", 4),
            ('[default]\nssh = """/usr\n[x\n"""\nrung = "off"', 5),
            ("[host.'rung = 1']\nrung = 'off'\n[default]\nrung = 'off'", 4),
        ],
    )
    def test_the_line_is_found_however_it_is_written(self, text: str, line: int) -> None:
        effective = parse_toml(text.encode(), "config.toml").policy([], {})
        assert effective.policy.rung is Rung.OFF
        assert effective.sources["rung"] == f"config.toml:{line} [default] rung"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # Names.
        ("[default]\nrun = 1", "2: [default] run: unknown key; did you mean rung?"),
        (
            "[default]\nserver-alive-interval = 1",
            "2: [default] server-alive-interval: unknown key; did you mean server_alive_interval?",
        ),
        (
            "[default]\nServerAliveInterval = 1",
            "2: [default] ServerAliveInterval: unknown key; did you mean server_alive_interval?",
        ),
        ("[default]\nzzz = 1", f"2: [default] zzz: unknown key; {KNOWN}"),
        ('[host."a"]\nzzz = 1', f'2: [host."a"] zzz: unknown key; {KNOWN}'),
        ("[default]\n[default.x]\ny = 1", f"2: [default] x: unknown key; {KNOWN}"),
        ('rung = "off"', "1: rung: is above the first section; move it below [default]"),
        ("[defaults]", "1: defaults: unknown section; did you mean [default]?"),
        (
            '["*.example.com"]\n',
            '1: *.example.com: unknown section; known: [default], [host."PATTERN"]',
        ),
        # Sections.
        ("default = 3", f"1: default: {SECTION}, found 3"),
        ("[[default]]", f"1: default: {SECTION}, found a list"),
        ("\nhost = true", f"2: host: {SECTION}, found true"),
        ('[host]\nrung = "off"', f'2: host rung: {SECTION}, found "off"'),
        (
            "[host.web.example.com]\nrung = 'off'",
            '1: [host."web"] example: put quotes around a pattern with dots, '
            'as in [host."web.example.com"]',
        ),
        ('[host.""]', '1: [host.""]: the pattern has no pattern in it'),
        (
            '[host."!a"]',
            '1: [host."!a"]: the pattern excludes hosts but matches none; add `*`',
        ),
        (
            '[host."a"]\nssh = "/usr/bin/ssh"',
            '2: [host."a"] ssh: is the same for every host; move it to [default]',
        ),
        # Values.
        (
            '[default]\nrung = "windowchange"',
            f'2: [default] rung: expected one of {RUNG_NAMES}, found "windowchange"',
        ),
        ("[default]\nrung = 2", f"2: [default] rung: expected one of {RUNG_NAMES}, found 2"),
        ("[default]\nrung = [1]", f"2: [default] rung: expected one of {RUNG_NAMES}, found a list"),
        (
            "[default]\nserver_alive_interval = 0",
            f"2: [default] server_alive_interval: {WHOLE}, found 0",
        ),
        (
            '[default]\nserver_alive_interval = "1.5s"',
            f'2: [default] server_alive_interval: {WHOLE}, found "1.5s"',
        ),
        (
            "[default]\nserver_alive_interval = -60",
            f"2: [default] server_alive_interval: {WHOLE}, found -60",
        ),
        (
            "[default]\nserver_alive_interval = nan",
            f"2: [default] server_alive_interval: {WHOLE}, found nan",
        ),
        (
            "[default]\nserver_alive_interval = true",
            f"2: [default] server_alive_interval: {WHOLE}, found true",
        ),
        (
            "[default]\noutage_tolerance = false",
            f"2: [default] outage_tolerance: {OUTAGE}, found false",
        ),
        (
            '[default]\noutage_tolerance = "twenty"',
            f'2: [default] outage_tolerance: {OUTAGE}, found "twenty"',
        ),
        (
            "[default]\noutage_tolerance = inf",
            f"2: [default] outage_tolerance: {OUTAGE}, found inf",
        ),
        (
            "[default]\noutage_tolerance = nan",
            f"2: [default] outage_tolerance: {OUTAGE}, found nan",
        ),
        (
            "[default]\noutage_tolerance = 07:32:00",
            f"2: [default] outage_tolerance: {OUTAGE}, found a date or a time",
        ),
        (
            "[default]\noutage_tolerance = {}",
            f"2: [default] outage_tolerance: {OUTAGE}, found a table",
        ),
        (
            "[default]\noutage_tolerance = 0x" + "f" * 5000,
            f"2: [default] outage_tolerance: {OUTAGE}, found a number out of all bounds",
        ),
        (
            '[default]\nwindow_change_interval = "0.05s"',
            f'2: [default] window_change_interval: {WINDOW}, found "0.05s"',
        ),
        (
            '[default]\nssh = "bin/ssh"',
            '2: [default] ssh: expected an absolute path, such as "/usr/bin/ssh", found "bin/ssh"',
        ),
        (
            '[default]\nssh = "/a\\u0000"',
            '2: [default] ssh: expected an absolute path, such as "/usr/bin/ssh", found "/a\\x00"',
        ),
        (
            '[default]\nrung = "\\u001b]0;title\\u0007' + "x" * 99 + '"',
            f"2: [default] rung: expected one of {RUNG_NAMES}, "
            f'found "\\x1b]0;title\\x07{"x" * 50}…"',
        ),
    ],
)
def test_a_bad_entry_is_named_with_its_line(text: str, message: str) -> None:
    assert refusal(text) == f"config.toml:{message}"


def test_the_second_of_two_hosts_is_the_one_that_is_named() -> None:
    text = '[host."a"]\nrung = "off"\n\n[host."b"]\n# here\nrung = "of"\n'
    assert refusal(text).startswith('config.toml:6: [host."b"] rung: expected')


QUOTES = '; put quotes around text, as in rung = "off"'


@pytest.mark.parametrize(
    ("text", "reason", "remedy"),
    [
        ("[default]\nrung = off", "Invalid value (at line 2, column 8)", QUOTES),
        ("[default]\nwarn = 15m", "Expected newline or end of document after a statement", QUOTES),
        (
            "[host.*.org]",
            "Invalid initial character for a key part (at line 1, column 7)",
            '; put quotes around a pattern, as in [host."*.example.com"]',
        ),
        (
            "[host.a]\nwarn = true\n[host.a]",
            "Cannot declare ('host', 'a') twice (at line 3, column 8)",
            "; put both into one section",
        ),
        (
            "[default]\nwarn = true\nwarn = false\n",
            "Cannot overwrite a value (at line 3, column 13)",
            "; keep one of the two",
        ),
        ('[default]\nrung = "off', "Unterminated string (at end of document)", ""),
        ("x = " + "[" * 10_000, "maximum recursion depth exceeded", ""),
        ("x = " + "9" * 5000, "Exceeds the limit (4300 digits)", ""),
    ],
)
def test_a_text_that_is_not_toml(text: str, reason: str, remedy: str) -> None:
    message = refusal(text)
    assert message.startswith(f"config.toml: not TOML: {reason}")
    assert message.endswith(remedy)
    assert ("in quotes" in message) == ("in quotes" in remedy)


def test_a_text_that_is_not_utf_8() -> None:
    assert refusal(b'[default]\n# caf\xe9\nrung = "off"') == (
        "config.toml:2: expected UTF-8, found the byte 0xe9; save the file as UTF-8"
    )


@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_any_bytes_are_a_configuration_or_a_usage_error(data: bytes) -> None:
    try:
        parse_toml(data, "config.toml")
    except UsageError as error:
        assert str(error).startswith("config.toml")  # noqa: PT017 - both may happen


class TestOptions:
    @pytest.mark.parametrize(
        ("argv", "options", "rest"),
        [
            ([], {}, []),
            (["ssh", "--rung", "off"], {}, ["ssh", "--rung", "off"]),
            (["--rung", "off", "ssh", "h"], {"rung": Rung.OFF}, ["ssh", "h"]),
            (["--rung=off", "ssh", "h"], {"rung": Rung.OFF}, ["ssh", "h"]),
            (["--ssh=/a=b", "ssh"], {"ssh": "/a=b"}, ["ssh"]),
            (["--rung=off", "--rung=server-alive"], {"rung": Rung.SERVER_ALIVE}, []),
            (["--server-alive-interval", "60s"], {"server_alive_interval": 60}, []),
            (["--dry-run", "--help", "ssh"], {"dry_run": "", "help": ""}, ["ssh"]),
            (["--version"], {"version": ""}, []),
            (["--rung=off", "--", "--help"], {"rung": Rung.OFF}, ["--help"]),
            (["-V"], {}, ["-V"]),
        ],
    )
    def test_takes(self, argv: list[str], options: dict[str, object], rest: list[str]) -> None:
        given = list(argv)
        assert take_options(given) == (options, rest)
        assert given == argv

    @pytest.mark.parametrize(
        ("argv", "message"),
        [
            (["--rnug", "off"], "unknown option --rnug; did you mean --rung?"),
            (
                ["--server_alive_interval=3"],
                "unknown option --server_alive_interval; did you mean --server-alive-interval?",
            ),
            (
                ["--zzz"],
                "unknown option --zzz; known: --rung, --server-alive-interval, "
                "--outage-tolerance, --window-change-interval, --no-op, --no-op-interval, --xon, "
                "--empty-line, --idle-limit, --rules, --hold-for, --warn, --reattach, "
                "--reattach-keep, --title, --hints, --ssh, --dry-run, --help, --version, -h",
            ),
            (["--\x1b[2J=1"], "unknown option --\\x1b[2J; known: "),
            (["--=x"], "unknown option --; known: "),
            (["--rung"], f"--rung: expected one of {RUNG_NAMES}, found nothing"),
            (["--rung=", "ssh"], f'--rung: expected one of {RUNG_NAMES}, found ""'),
            (["--rung", "ssh", "h"], f'--rung: expected one of {RUNG_NAMES}, found "ssh"'),
            (
                ["--server-alive-interval", "0"],
                f'--server-alive-interval: {WHOLE}, found "0"',
            ),
            (["--dry-run="], '--dry-run: expected no value, found ""'),
            (["--dry-run=yes"], '--dry-run: expected no value, found "yes"'),
        ],
    )
    def test_refuses(self, argv: list[str], message: str) -> None:
        with pytest.raises(UsageError) as caught:
            take_options(argv)
        assert str(caught.value).startswith(message)
        assert message.endswith("known: ") or str(caught.value) == message

    def test_options_reach_the_policy_and_tell_so(self) -> None:
        options, _ = take_options(["--window-change-interval=2.5s", "--rung", "off", "ssh"])
        effective = parse_toml(b'[host."*"]\nrung = "server-alive"', "config.toml").policy(
            ["web"], options
        )
        assert effective.policy.window_change_interval == 2.5
        assert effective.policy.rung is Rung.OFF
        assert effective.sources["rung"] == "--rung"

    def test_a_bad_variable_is_named_when_the_configuration_is_made(self) -> None:
        with pytest.raises(UsageError, match=r"^KEEPSHELL_SSH: expected .* found "):
            load.load({"KEEPSHELL_SSH": "ssh"})

    def test_the_help_shows_every_option_with_its_default(self) -> None:
        rows = dict(settings.option_rows())
        assert list(rows) == [
            "--rung RUNG",
            "--server-alive-interval DURATION",
            "--outage-tolerance DURATION",
            "--window-change-interval DURATION",
            "--no-op WORD",
            "--no-op-interval DURATION",
            "--xon true|false",
            "--empty-line true|false",
            "--idle-limit DURATION",
            "--rules RULE=LIMIT,...",
            "--hold-for DURATION",
            "--warn true|false",
            "--reattach true|false|COMMAND",
            "--reattach-keep DURATION",
            "--title true|false",
            "--hints true|false",
            "--ssh PATH",
            "--dry-run",
            "--help",
            "--version",
        ]
        assert rows["--rung RUNG"].endswith(" (default empty-line)")
        assert rows["--outage-tolerance DURATION"].endswith(" (default 20m)")
        assert "default" not in rows["--ssh PATH"]

    def test_every_key_is_an_argument_of_policy_with_a_default_that_it_takes(self) -> None:
        assert set(settings.KEYS) == set(Policy.__slots__)
        for name, key in settings.KEYS.items():
            default = getattr(Policy(), name)
            if default is not None:
                assert key.read(key.kind.show(default)) == default
                assert not isinstance(default, float) or math.isfinite(default)


class TestTheRungsThatType:
    def test_every_key_in_the_file(self) -> None:
        made = policy(
            '[default]\nno_op = "always"\nno_op_interval = "10s"\nxon = true\nempty_line = true\n'
            'idle_limit = "15m"\nrules = ["channel-timeout=15m", "tmout=10m"]\nwarn = true\n'
        )
        assert (made.no_op, made.no_op_interval, made.idle_limit) == ("always", 10, 900)
        assert made.xon
        assert made.empty_line
        assert made.warn
        assert [(r.kind.name, r.limit) for r in made.rules] == [
            ("channel-timeout", 900),
            ("tmout", 600),
        ]

    def test_as_options(self) -> None:
        options, _ = take_options(
            ["--rules", "logind=15m,tmout=10m", "--xon=true", "--no-op", "always", "ssh"]
        )
        made = policy("", **options)
        assert [rule.kind.name for rule in made.rules] == ["logind", "tmout"]
        assert made.xon
        assert made.no_op == "always"

    @pytest.mark.parametrize(
        ("line", "problem"),
        [
            ('rules = ["chanel=15m"]', "unknown kind of rule 'chanel'"),
            ('rules = ["logind=1s"]', "logind: expected a limit from 2s to 24d, found '1s'"),
            ('rules = ["logind=1h", "logind=2h"]', "logind: has two limits, 1h and 2h; keep one"),
            (
                'rules = "logind"',
                "expected KIND=LIMIT, such as channel-timeout=15m, found 'logind'",
            ),
            ("rules = [1]", "expected a list such as"),
            ("rules = 1", "expected a list such as"),
            ('idle_limit = "1s"', "expected a duration from 2s to 24d"),
            ('no_op = "sometimes"', 'expected one of "auto", "always", "never", found "sometimes"'),
            ('xon = "yes"', 'expected true or false, found "yes"'),
        ],
    )
    def test_refuses(self, line: str, problem: str) -> None:
        key, *_ = line.split()
        assert refusal(f"[default]\n{line}").startswith(
            f"config.toml:2: [default] {key}: {problem}"
        )

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ('no_op = "always"', 'rung = "window-change"'),
            ("empty_line = true", 'rung = "no-op"'),
            ("empty_line = true", 'no_op = "never"'),
            ("xon = true", 'rung = "server-alive"'),
            ("xon = true", 'no_op = "never"'),
        ],
    )
    def test_contradictions_in_one_place_are_errors(self, one: str, other: str) -> None:
        (name, *_), (other_name, *_) = one.split(), other.split()
        assert refusal(f"[default]\n{other}\n{one}") == (
            f"config.toml:3: [default] {name} contradicts {other_name} in the same section; "
            "keep one"
        )
        policy(f'[host."a"]\n{other}\n[default]\n{one}', "a")  # a ceiling for one host
        words = [f"--{line.replace(' = ', '=').replace('_', '-')}" for line in (one, other)]
        with pytest.raises(UsageError, match="contradicts --"):
            take_options([word.replace('"', "") for word in words])
