"""What a probed host's answers mean: recorded ones, cut ones, hostile ones."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.probing.answers import (
    MARK,
    Finding,
    Report,
    banner,
    first_words,
    lets_in,
    openssh_version,
    read,
    through_master,
)
from keepshell.core.probing.findings import Row, findings, judged, rules
from keepshell.core.probing.servertimers import of_program
from keepshell.core.rules.kinds import PROBE
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung

NONCE = "0123456789abcdef"
SSHD = "sshd: /usr/sbin/sshd -D -f /etc/ssh/sshd_config [listener] 0 of 10-100 startups"
DEBIAN_12 = "OpenSSH_9.2p1 Debian-2+deb12u10"
FIREWALL = "the kernel, a firewall, NAT or bastion"

# A Debian 12 host as root, `ssh -v` and the script's stdout, shortened where it repeats itself.
RECORDED_MESSAGES = """\
OpenSSH_9.2p1 Debian-2+deb12u10, OpenSSL 3.0.19 27 Jan 2026\r
debug1: Connecting to 127.0.0.1 [127.0.0.1] port 59971.\r
debug1: Local version string SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r
debug1: Remote protocol version 2.0, remote software version OpenSSH_9.2p1 Debian-2+deb12u10\r
debug1: compat_banner: match: OpenSSH_9.2p1 Debian-2+deb12u10 pat OpenSSH* compat 0x04000000\r
"""
RECORDED = f"""
{MARK} {NONCE} begin
{MARK} {NONCE} user root
{MARK} {NONCE} shell /bin/bash
{MARK} {NONCE} shell-is /usr/bin/bash
{MARK} {NONCE} ancestor sh\t-s\t
{MARK} {NONCE} ancestor sshd: root@notty
{MARK} {NONCE} ancestor {SSHD}
{MARK} {NONCE} sshd-version unknown option -- V
{MARK} {NONCE} sshd-version OpenSSH_9.2, OpenSSL 3.0.19 27 Jan 2026
{MARK} {NONCE} sshd-says 10 clientaliveinterval 900
{MARK} {NONCE} sshd-says 11 clientalivecountmax 0
{MARK} {NONCE} sshd-says 14 unusedconnectiontimeout 300
{MARK} {NONCE} sshd-says 61 channeltimeout session:*=15m *=1h
{MARK} {NONCE} config-file /etc/ssh/sshd_config
{MARK} {NONCE} config-end /etc/ssh/sshd_config
{MARK} {NONCE} logind-runs
{MARK} {NONCE} logind-file /etc/systemd/logind.conf
{MARK} {NONCE} logind-line 31 StopIdleSessionSec=10min

{MARK} {NONCE} tmout 600
{MARK} {NONCE} tmout-of bash
{MARK} {NONCE} tmout-readonly

{MARK} {NONCE} end
"""


def report(*answers: str) -> Report:
    lines = ["begin", *answers, "end"]
    return read("".join(f"{MARK} {NONCE} {line}\n" for line in lines), NONCE)


def rows(software: str, *answers: str, policy: Policy | None = None) -> dict[str, Row]:
    found = findings(software, report("shell /bin/dash", "tmout ", *answers))
    judgements = [judged(finding, policy or Policy()) for finding in found]
    return {row.rule: row for row in judgements}


def learnt(software: str, *answers: str) -> dict[str, float]:
    found = findings(software, report("shell /bin/dash", "tmout ", *answers))
    return {rule.kind.name: rule.limit for rule in rules(found, 7.0)}


def test_a_recorded_answer() -> None:
    found = findings(banner(RECORDED_MESSAGES, "", let_in=True), read(RECORDED, NONCE))
    made = {row.rule: row for row in (judged(finding, Policy()) for finding in found)}
    assert list(made) == [
        "ClientAliveInterval 900, CountMax 0",
        "ChannelTimeout session:*=15m",
        "UnusedConnectionTimeout 300",
        "StopIdleSessionSec=10min",
        "TMOUT=600, read-only",
        FIREWALL,
    ]
    channel = made["ChannelTimeout session:*=15m"]
    assert channel == Row(
        "ChannelTimeout session:*=15m",
        900.0,
        "sshd -T",
        "input or output",
        Rung.NO_OP,
        "beaten: harmless input is sent after 7m 30s of silence",
    )
    tmout = made["TMOUT=600, read-only"]
    assert (tmout.rung, tmout.where) == (None, "a login of bash")
    assert tmout.verdict == "only Enter beats it: `empty_line = true`"
    known = rules(found, 7.0)
    assert [(rule.kind.name, rule.limit) for rule in known] == [
        ("channel-timeout", 900.0),
        ("logind", 600.0),
        ("tmout", 600.0),
    ]
    assert {(rule.source, rule.seen_at) for rule in known} == {(PROBE, 7.0)}


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (Policy(), "only Enter beats it: `empty_line = true`"),
        (Policy(empty_line=True), "beaten: Enter is sent after 5m of silence"),
    ],
)
def test_the_verdict_goes_by_what_the_user_allows(policy: Policy, verdict: str) -> None:
    row = rows("", "tmout 600", "tmout-of bash", policy=policy)["TMOUT=600"]
    assert row.verdict == verdict


@pytest.mark.parametrize(
    ("policy", "verdict"),
    [
        (Policy(no_op="never"), 'only harmless input beats it: `no_op = "auto"`'),
        (Policy(rung=Rung.SERVER_ALIVE), 'only harmless input beats it: `rung = "no-op"`'),
    ],
)
def test_a_no_op_that_is_forbidden(policy: Policy, verdict: str) -> None:
    answers = (f"ancestor {SSHD}", "sshd-says 1 channeltimeout session:*=900")
    row = rows(DEBIAN_12, *answers, policy=policy)["ChannelTimeout session:*=900"]
    assert (row.verdict, row.rung) == (verdict, None)


def test_a_window_change_that_is_forbidden() -> None:
    policy = Policy(rung=Rung.SERVER_ALIVE)
    row = rows("dropbear_2022.83", "ancestor /sbin/dropbear\t-I\t300", policy=policy)
    assert (
        row["dropbear -I 300"].verdict == 'only a window-change beats it: `rung = "window-change"`'
    )


PAIR = ("sshd-says 10 clientaliveinterval 900", "sshd-says 11 clientalivecountmax 0")
NAME = "ClientAliveInterval 900, CountMax 0"


# docs/idle-rules.md: who kills at ClientAliveInterval 900 with ClientAliveCountMax 0.
@pytest.mark.parametrize(
    ("software", "kills", "resets", "words"),
    [
        ("OpenSSH_7.4", True, "any traffic, either way", "beaten: a window-change"),
        ("OpenSSH_7.5p1", True, "any traffic, either way", "beaten: a window-change"),
        ("OpenSSH_7.6p1", True, "any packet from the client", "fails while the host prints"),
        ("OpenSSH_7.9p1 Debian-10+deb10u4", True, "any packet from the client", "harmless"),
        ("OpenSSH_8.0", True, "any packet from the client", "possible"),
        ("OpenSSH_8.1", True, "any packet from the client", "beaten: a window-change"),
        ("OpenSSH_8.2p1 Ubuntu-4", False, "any packet from the client", "patched the old meaning"),
        (DEBIAN_12, False, "any packet from the client", "(possible; SONiC does)"),
        ("OpenSSH_10.5", False, "any packet from the client", "never kills on this version"),
        ("OpenSSH_for_Windows_8.1", True, "any packet from the client", "beaten"),
    ],
)
def test_the_classic_pair(software: str, kills: bool, resets: str, words: str) -> None:
    row = rows(software, *PAIR)[NAME]
    assert (row.reset_by, row.rung is not None) == (resets, kills)
    assert words in row.verdict
    assert row.verdict.startswith("beaten: " if kills else "never kills on this version")
    assert learnt(software, *PAIR) == ({"client-alive": 900.0} if kills else {})


def test_the_classic_pair_on_an_unknown_version() -> None:
    row = rows("", f"ancestor {SSHD}", *PAIR)[NAME]
    assert row.verdict.startswith("an idle timer before OpenSSH 8.2, and harmless since;")
    assert learnt("", f"ancestor {SSHD}", *PAIR) == {}


def test_the_version_of_the_sshd_we_hang_from_where_no_banner_was_seen() -> None:
    answers = (f"ancestor {SSHD}", "sshd-version OpenSSH_7.9p1 Debian-10", *PAIR)
    assert learnt("", *answers) == {"client-alive": 900.0}
    assert learnt("Teleport", *answers) == {"client-alive": 900.0}


@pytest.mark.parametrize("count", ["", "sshd-says 11 clientalivecountmax 1"])
def test_a_count_above_0_is_no_idle_timer(count: str) -> None:
    answers = ("sshd-says 10 clientaliveinterval 600", *([count] if count else []))
    row = rows("OpenSSH_7.4", *answers)[f"ClientAliveInterval 600, CountMax {count[-1:] or 3}"]
    assert row.verdict.startswith("not an idle timer: ")
    assert learnt("OpenSSH_7.4", *answers) == {}


@pytest.mark.parametrize("pair", [("soon", "0"), ("", "0"), ("900", "many")])
def test_a_pair_that_is_not_understood(pair: tuple[str, str]) -> None:
    lines = (
        f"sshd-says 1 clientaliveinterval {pair[0]}",
        f"sshd-says 2 clientalivecountmax {pair[1]}",
    )
    row = rows("OpenSSH_7.4", *lines)[f"ClientAliveInterval {pair[0]}, CountMax {pair[1]}"]
    assert row.verdict == "not understood"


def test_an_sshd_without_any_timer() -> None:
    answers = [
        "sshd-says 1 clientaliveinterval 0",
        "sshd-says 2 channeltimeout none",
        "sshd-says 3 unusedconnectiontimeout none",
    ]
    assert rows(DEBIAN_12, *answers)["sshd's idle timers"].verdict == "none is set"


CHANNEL = "sshd-says 1 channeltimeout "


@pytest.mark.parametrize(
    ("value", "known"),
    [
        ("session:*=15m", {"channel-timeout": 900.0}),
        ("session:shell=15m session:*=1h", {"channel-timeout": 900.0}),
        ("session:command=1m *=1h", {"channel-timeout": 3600.0}),
        ("session:*=0 *=1h", {}),
        ("session=15m", {}),  # measured with 9.2: the type of a shell is session:shell
        ("x11-connection=5m agent-connection=5m", {}),
        ("global=20m", {"channel-timeout": 1200.0}),
        ("session:*", {}),
        ("session:*=soon", {}),
        ("session:*=1", {}),
        ("session:*=300d", {}),
    ],
)
def test_channel_timeouts(value: str, known: dict[str, float]) -> None:
    assert learnt("OpenSSH_9.9", CHANNEL + value) == known


def test_a_channel_timeout_is_no_rule_everywhere() -> None:
    old = rows("OpenSSH_9.1", CHANNEL + "session:*=15m")["ChannelTimeout session:*=15m"]
    assert old.verdict == "this version knows no such setting"
    unclear = rows("OpenSSH_9.9", CHANNEL + "session:*=soon")["ChannelTimeout session:*=soon"]
    assert unclear.verdict == "not understood"
    short = rows("OpenSSH_9.9", CHANNEL + "session:*=1")["ChannelTimeout session:*=1"]
    assert (short.limit, short.rung) == (1.0, None)
    assert short.verdict == "too short or too long for keepshell to act on"


CONFIG = (
    "config-file /etc/ssh/sshd_config",
    'config-line 3 ClientAliveInterval = "15m" # quarter',
    "config-line 4 Include /etc/ssh/sshd_config.d/*.conf",
    "config-file /etc/ssh/sshd_config.d/a.conf",
    "config-line 1 clientaliveinterval 60",
    "config-line 2 ClientAliveCountMax\t0",
    "config-line 3 Match User guest",
    "config-line 4 ChannelTimeout session:*=5m",
    "config-end /etc/ssh/sshd_config.d/a.conf",
    "config-line 9 UnusedConnectionTimeout 1h",
    "config-line 20 Match Group staff",
    "config-line 21 ClientAliveInterval 30m",
    "config-line 22 Match Address 10.0.0.0/8",
    "config-line 23 ClientAliveCountMax 5",
    "config-line 30 Match all",
    "config-line 31 ChannelTimeout session:*=2h",
    "config-end /etc/ssh/sshd_config",
)


def test_files_with_includes_and_match_blocks() -> None:
    made = rows("OpenSSH_9.9", *CONFIG)
    said = {row.rule: (row.where, row.verdict) for row in made.values()}
    never = "never kills on this version, unless"
    assert said.pop("ClientAliveInterval 15m, CountMax 0")[0] == "/etc/ssh/sshd_config, line 3"
    where, verdict = said.pop("ChannelTimeout session:*=5m")
    assert where == "/etc/ssh/sshd_config.d/a.conf, line 4"
    assert verdict == "only for `Match User guest`; an idle timer there"
    assert said.pop("UnusedConnectionTimeout 1h")[0] == "/etc/ssh/sshd_config, line 9"
    assert said.pop("ClientAliveInterval 30m, CountMax 0")[1].startswith(
        f"only for `Match Group staff`; {never}"
    )
    assert said.pop("ClientAliveInterval 15m, CountMax 5")[1].startswith(
        "only for `Match Address 10.0.0.0/8`; not an idle timer"
    )
    assert said.pop("ChannelTimeout session:*=2h")[0] == "/etc/ssh/sshd_config, line 31"
    assert sorted(said) == ["TMOUT", FIREWALL]
    assert learnt("OpenSSH_9.9", *CONFIG) == {"channel-timeout": 7200.0}


def test_what_stands_outside_of_a_file_is_nothing() -> None:
    answers = ("config-line 1 ClientAliveInterval 5", "config-end /x", "logind-line 1 StopIdle=5")
    assert rows("OpenSSH_7.4", *answers)["sshd's idle timers"].verdict == "none is set"


def test_a_file_that_may_not_be_read() -> None:
    made = rows("OpenSSH_8.0", "config-denied /etc/ssh/sshd_config")
    assert made["sshd_config"].verdict == "may not be read: unknown"
    assert "sshd's idle timers" not in made


def test_options_on_the_command_line_of_sshd_come_first() -> None:
    title = "sshd: /usr/sbin/sshd -D -o ClientAliveInterval=300 -oClientAliveCountMax=0 [listener]"
    made = rows("OpenSSH_7.4", f"ancestor {title}", *PAIR)
    assert made["ClientAliveInterval 300, CountMax 0"].where == "sshd's command line"


@pytest.mark.parametrize(
    ("title", "name", "known"),
    [
        ("/usr/sbin/dropbear\t-F\t-I\t300", "dropbear -I 300", {"dropbear-idle": 300.0}),
        ("/usr/sbin/dropbear\t-I300\t-p\t22", "dropbear -I 300", {"dropbear-idle": 300.0}),
        ("dropbearmulti\t-I\t0", "dropbear -I 0", {}),
        ("/usr/sbin/dropbear\t-F\t-K\t300", "dropbear -I", {}),
    ],
)
def test_dropbear(title: str, name: str, known: dict[str, float]) -> None:
    answers = ("ancestor sh\t-s", f"ancestor {title}", *PAIR)
    assert name in rows("dropbear_2022.83", *answers)
    assert learnt("dropbear_2022.83", *answers) == known


def test_a_dropbear_whose_command_line_is_hidden() -> None:
    assert rows("dropbear_2022.83", *PAIR)["dropbear -I"].verdict == "unknown"
    assert learnt("dropbear_2022.83", *PAIR) == {}


@pytest.mark.parametrize("software", ["", "Cisco-1.25", "tinyssh_noversion 4kcn"])
def test_other_servers_are_unknown(software: str) -> None:
    made = rows(software, *PAIR)
    name = f"timers of the server ({software})" if software else "timers of the server"
    assert made[name].verdict == "unknown"
    assert learnt(software, *PAIR) == {}


LOGIND = (
    "logind-runs",
    "logind-file /etc/systemd/logind.conf",
    "logind-line 3 StopIdleSessionSec=",
)


@pytest.mark.parametrize(
    ("value", "limit"),
    [
        ("600", 600.0),
        ("10min", 600.0),
        ("1h 30min", 5400.0),
        ("1.5h", 5400.0),
        ("infinity", None),
        ("", None),
        ("0", None),
        ("soon", None),
        ("10 parsecs", None),
    ],
)
def test_logind_in_its_files(value: str, limit: float | None) -> None:
    answers = (*LOGIND[:2], LOGIND[2] + value)
    assert learnt("", *answers) == ({} if limit is None else {"logind": limit})


def test_a_span_that_is_not_understood() -> None:
    row = rows("", *LOGIND[:2], LOGIND[2] + "soon")["StopIdleSessionSec=soon"]
    assert row.verdict == "not understood"


@pytest.mark.parametrize(
    ("bus", "limit"),
    [("t 600000000", 600.0), (f"t {2**64 - 1}", None), ("Failed to connect", 60.0), ("t x", 60.0)],
)
def test_logind_on_the_bus_knows_better(bus: str, limit: float | None) -> None:
    answers = (f"logind-bus {bus}", *LOGIND[:2], LOGIND[2] + "60")
    assert learnt("", *answers) == ({} if limit is None else {"logind": limit})


def test_logind_that_does_not_run() -> None:
    row = rows("", *LOGIND[1:2], LOGIND[2] + "600")["StopIdleSessionSec=600"]
    assert row.verdict == "logind does not run here"
    assert learnt("", *LOGIND[1:2], LOGIND[2] + "600") == {}


def test_drop_ins_of_logind() -> None:
    answers = (
        "logind-runs",
        "logind-file /usr/lib/systemd/logind.conf.d/50-a.conf",
        "logind-line 1 StopIdleSessionSec=50",
        "logind-file /usr/lib/systemd/logind.conf.d/60-b.conf",
        "logind-line 1 StopIdleSessionSec=60",
        "logind-file /etc/systemd/logind.conf",
        "logind-line 1 StopIdleSessionSec=10",
    )
    assert learnt("", *answers) == {"logind": 60.0}
    masked = (*answers, "logind-file /etc/systemd/logind.conf.d/60-b.conf")
    assert learnt("", *masked) == {"logind": 50.0}


NOT_SET = "not set in a login without a terminal"


@pytest.mark.parametrize(
    ("answers", "name", "verdict", "known"),
    [
        (["shell /bin/ksh", "tmout 60", "tmout-of ksh"], "TMOUT=60", "only Enter", {"tmout": 60.0}),
        (["shell /bin/zsh", "tmout 60", "tmout-of zsh"], "TMOUT=60", "beaten", {"zsh-tmout": 60.0}),
        (["shell /bin/bash", "tmout 0", "tmout-of bash"], "TMOUT", NOT_SET, {}),
        (
            ["shell /bin/bash", "tmout ", "tmout-of bash", "tmout-readonly"],
            "TMOUT",
            f"{NOT_SET}, read-only",
            {},
        ),
        (["shell /bin/bash", "tmout 5m", "tmout-of bash"], "TMOUT=5m", "not understood", {}),
        (
            ["shell /bin/sh", "shell-is /bin/dash", "tmout 60", "tmout-of "],
            "TMOUT=60",
            "dash ignores it",
            {},
        ),
        (
            ["shell /bin/ash", "shell-is /bin/busybox", "tmout 60", "tmout-of "],
            "TMOUT=60",
            "unknown whether busybox honours it",
            {},
        ),
        (
            ["shell /bin/tcsh", "autologout 30"],
            "autologout=30",
            "only Enter",
            {"autologout": 1800.0},
        ),
        (
            ["shell /bin/tcsh", "autologout 30 5"],
            "autologout=30",
            "only Enter",
            {"autologout": 1800.0},
        ),
        (["shell /bin/tcsh", "autologout "], "autologout", NOT_SET, {}),
        (["shell /bin/tcsh", "autologout 0"], "autologout", NOT_SET, {}),
        (["shell /bin/tcsh", "autologout x"], "autologout=x", "not understood", {}),
        (["shell /usr/bin/fish", "shell-is /usr/bin/fish"], "TMOUT", "fish has none", {}),
        (["shell /bin/bash"], "TMOUT", "the shell did not answer: unknown", {}),
        ([], "TMOUT", "the shell did not answer: unknown", {}),
    ],
)
def test_shells(answers: list[str], name: str, verdict: str, known: dict[str, float]) -> None:
    found = findings("", report(*answers))
    made = {row.rule: row for row in (judged(finding, Policy()) for finding in found)}
    assert made[name].verdict.startswith(verdict)
    assert {rule.kind.name: rule.limit for rule in rules(found, 0.0)} == known


@pytest.mark.parametrize(
    ("answers", "where"),
    [
        (["tmux 300"], "tmux, which runs"),
        (["tmux-file /x/.tmux.conf", 'tmux-line 3 set -g lock-after-time "300"'], "/x/.tmux.conf"),
    ],
)
def test_tmux_locks_and_ends_nothing(answers: list[str], where: str) -> None:
    row = rows("", *answers)["lock-after-time 300"]
    assert (row.limit, row.where) == (300.0, where)
    assert row.verdict.startswith("locks tmux and ends nothing")
    assert learnt("", *answers) == {}


@pytest.mark.parametrize("value", ["0", "never"])
def test_tmux_that_does_not_lock(value: str) -> None:
    assert sorted(rows("", f"tmux {value}")) == ["TMOUT", FIREWALL, "timers of the server"]


@pytest.mark.parametrize(
    ("lines", "runs", "verdict", "known"),
    [
        (["name=.* idle=30 grace=60"], "autolog", "beaten", {"tty-idle": 1800.0}),
        (["name=.* idle=30 grace=60"], "", "configured, and not seen to run", {}),
        (["idle=30", "name=root idle=-1"], "autolog", "beaten", {"tty-idle": 1800.0}),
        (["idle=30", "name=a idle=10"], "autolog", "its limit differs: see the file", {}),
        ([], "autolog", "its limit differs: see the file", {}),
        (["Al:*:*:*:20:0:0:5"], "autolog", "beaten", {"tty-idle": 1200.0}),
        (["Al:*:*:*:0:0:0:5"], "autolog", "its limit differs: see the file", {}),
    ],
)
def test_reapers(lines: list[str], runs: str, verdict: str, known: dict[str, float]) -> None:
    answers = ["reaper-line 1 idle=5", "reaper-file /etc/autolog.conf"]
    answers += [f"reaper-line 3 {line}" for line in lines]
    answers += [f"reaper-runs {runs}"] if runs else []
    assert rows("", *answers)["autolog"].verdict.startswith(verdict)
    assert learnt("", *answers) == known


def test_two_reapers() -> None:
    made = rows("", "reaper-file /etc/autolog.conf", "reaper-file /etc/timeouts")
    assert {"autolog", "timeoutd"} <= set(made)


def spoken(software: str, address: str = "", user: str = "me") -> str:
    """What `ssh -v` prints of a banner, and of whose it is; `address` is host:port."""
    line = f"debug1: Remote protocol version 2.0, remote software version {software}\r\n"
    whose = f"debug1: Authenticating to {address} as '{user}'\r\n" if address else ""
    return f"{line}debug1: compat_banner: no match: {software}\r\n{whose}"


def test_a_banner_is_that_of_the_host_and_of_none_on_the_way() -> None:
    way, host = spoken("OpenSSH_7.4", "bastion:22"), spoken("dropbear", "fe80::1:22", user="Me")
    for let_in in (True, False):
        assert banner(way + host, "Me@FE80::1:22", let_in=let_in) == "dropbear"
        assert banner(way, "me@bastion:22", let_in=let_in) == "OpenSSH_7.4"
    assert banner(way, "Me@FE80::1:22", let_in=False) == ""


def test_without_its_name_the_last_banner_counts_if_its_host_has_let_us_in() -> None:
    messages = spoken("OpenSSH_7.4") + "x\n" + spoken("dropbear")
    assert banner(messages, "me@web:22", let_in=True) == "dropbear"
    assert banner(messages, "me@web:22", let_in=False) == ""


def test_no_banner() -> None:
    refused = "ssh: connect to host x port 22: Connection refused\n"
    assert banner(refused, "me@x:22", let_in=False) == ""
    quoted = "host says debug1: Remote protocol version 2.0, remote software version x"
    assert banner(quoted, "me@x:22", let_in=True) == ""


# What `ssh -v` 9.2 says, with a ProxyJump and without.
DIRECT = 'Authenticated to Web ([127.0.0.1]:22) using "publickey".'
PROXIED = 'Authenticated to web (via proxy) using "publickey".'


@pytest.mark.parametrize(
    ("line", "direct", "behind"),
    [
        (DIRECT, True, False),
        (PROXIED, True, True),
        (PROXIED.replace("web", "bastion"), False, False),
        (DIRECT.replace("Web", "website"), False, False),
        ("debug1: Sending command: sh -s", True, True),
        ("debug1: mux_client_request_session: master session id: 2", True, True),
        ("debug1: mux_client_request_stdio_fwd: master session id: 2", False, False),
        ("debug1: Authenticating to web:22 as 'me'", False, False),
        ("debug1: Authentications that can continue: publickey,password", False, False),
        ("motd: debug1: Sending command: sh -s", False, False),
    ],
)
def test_which_line_says_that_we_are_in(line: str, direct: bool, behind: bool) -> None:
    assert lets_in(line, "WEB", proxied=False) is direct
    assert lets_in(line, "web", proxied=True) is behind


def test_a_session_of_a_controlmaster() -> None:
    assert through_master("x\ndebug1: mux_client_request_session: master session id: 2\n")
    assert not through_master(RECORDED_MESSAGES)


def test_what_the_program_of_the_sshd_we_hang_from_calls_itself() -> None:
    version = "sshd-version OpenSSH_9.2p1 Debian-2, OpenSSL 3.0.19"
    assert of_program(report(f"ancestor {SSHD}", version)) == "OpenSSH_9.2p1 Debian-2"
    assert of_program(report(f"ancestor {SSHD}", "sshd-version unknown option -- V")) == ""
    assert of_program(report("ancestor dropbear", version)) == ""


@pytest.mark.parametrize(
    ("software", "version"),
    [("OpenSSH_9.2p1 Debian", (9, 2)), ("OpenSSH_10.0", (10, 0)), ("dropbear_2022.83", None)],
)
def test_versions(software: str, version: tuple[int, int] | None) -> None:
    assert openssh_version(software) == version


def test_garbage_around_the_answer_is_not_believed() -> None:
    lines = [
        "Welcome to ACME. =KEEPSHELL 0123 tmout 5",
        f"{MARK} {'f' * 16} tmout 5",
        f"motd {MARK} {NONCE} tmout 5",
        f"{MARK} {NONCE} begin\r",
        f"{MARK} {NONCE} tmout 600\r",
        f"{MARK} {NONCE} end\r",
        "",
    ]
    found = read("\n".join(lines), NONCE)
    assert found.answers == (("begin", ""), ("tmout", "600"), ("end", ""))


def test_the_echo_of_the_script_is_no_answer() -> None:
    from keepshell.probe.script import script

    assert read(script(NONCE), NONCE) == Report()


def test_an_empty_answer() -> None:
    assert not read("", NONCE).begun
    assert read("", NONCE).last("tmout") == ""
    assert [finding.name for finding in findings("OpenSSH_9.2", Report())] == [
        "timers of the server (OpenSSH_9.2)",
        FIREWALL,
    ]


@given(st.integers(0, len(RECORDED)))
def test_an_answer_that_was_cut_off_makes_nothing_up(cut: int) -> None:
    part = read(RECORDED[:cut], NONCE)
    whole = read(RECORDED, NONCE)
    assert part.complete == (cut == len(RECORDED))
    assert part.answers == whole.answers[: len(part.answers)]
    findings(DEBIAN_12, part)


@given(st.text())
def test_no_text_is_too_strange(text: str) -> None:
    keys = ("ancestor", "sshd-says", "config-line", "tmout", "logind-bus", "tmux", "shell")
    found = read(RECORDED + "".join(f"{MARK} {NONCE} {key} {text}\n" for key in keys), NONCE)
    for finding in findings(text, found):
        assert judged(finding, Policy()).verdict


def test_the_first_words_of_a_host_that_runs_no_script() -> None:
    assert first_words("\r\n\n  % Invalid input detected\r\nmore") == "% Invalid input detected"
    assert len(first_words("x" * 500)) == 120
    assert first_words(" \n") == ""


def test_a_finding_without_a_rule_is_as_it_says() -> None:
    row = judged(Finding(name="n", where="w", verdict="v", note="but"), Policy())
    assert row == Row("n", None, "w", "", None, "v; but")
