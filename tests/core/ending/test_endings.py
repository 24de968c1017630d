"""The table of endings: on the bytes that real endings left, and on tails that quote them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.ending.endings import (
    _ROWS,
    _SILENCES,
    Ending,
    Evidence,
    Kind,
    _Row,
    classify,
)
from keepshell.core.rules.durations import describe
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, PROBE, Rule, RuleKind

PROMPT = b"\x1b[?2004hREADY$ "
CLOSED = b"Connection to 127.0.0.1 closed.\r\r\n"
BY_REMOTE = b"Connection to 127.0.0.1 closed by remote host.\r\r\n"
BROKEN = b"client_loop: send disconnect: Broken pipe\r\n"
TIMEOUT = b"Timeout, server 127.0.0.1 not responding.\r\n"
SHARED = b"Shared connection to 127.0.0.1 closed.\r\r\n"
FATAL = b"FATAL ERROR: Remote side unexpectedly closed network connection\r\n"
IDLE_REASON = (  # the words are Apache MINA's
    b"READY$ Received disconnect from 127.0.0.1 port 39755:2: Detected IdleTimeout after "
    b"600000/600000 ms.\r\nDisconnected from 127.0.0.1 port 39755\r\n"
)
BASH_TMOUT = b"\x07timed out waiting for input: auto-logout\r\n"
ZSH_PROMPT = b"\x1b[0m\x1b[27m\x1b[24m\x1b[Jtesthost# \x1b[K\x1b[?2004h"


def ending(tail: bytes = b"", exit_status: int | None = 255, **known: Any) -> Ending:
    """The ending of a session that had lasted for 900 s, without input unless told."""
    facts: dict[str, Any] = {"signal": None, "session": True, "lasted": 900.0} | known
    return classify(Evidence(exit_status=exit_status, tail=tail, **facts))


# Captured on a pty from ssh 9.2, with sshd 9.2, dropbear 2022.83 and asyncssh at the other end:
# what, status, the last bytes, kind, rule. Nobody typed.
IDLE_ENDINGS = [
    ("ChannelTimeout", 255, PROMPT + CLOSED, Kind.CHANNEL_TIMEOUT, "channel-timeout"),
    (
        "ChannelTimeout in vim",
        255,
        b"\x1b[1;1H\x1b[?25h\x1b[?4m" + CLOSED,
        Kind.CHANNEL_TIMEOUT,
        "channel-timeout",
    ),
    (
        "ChannelTimeout under -v",
        255,
        PROMPT
        + b"debug1: client_input_channel_req: channel 0 rtype eow@openssh.com reply 0\r\n"
        + b"debug1: channel 0: free: client-session, nchannels 1\r\r\n"
        + CLOSED
        + b"Transferred: sent 3816, received 3320 bytes, in 1.8 seconds\r\r\n"
        + b"Bytes per second: sent 2143.9, received 1865.2\r\r\n"
        + b"debug1: Exit status -1\r\r\n",
        Kind.CHANNEL_TIMEOUT,
        "channel-timeout",
    ),
    ("remote kill -9", 255, PROMPT + CLOSED, Kind.CHANNEL_TIMEOUT, "channel-timeout"),
    (
        "remote kill -1",
        255,
        PROMPT + b"\x1b[?2004l\r\x1b[?2004h\x1b[?2004l\r\r\n" + CLOSED,
        Kind.CHANNEL_TIMEOUT,
        "channel-timeout",
    ),
    ("remote command's exit 255", 255, CLOSED, Kind.CHANNEL_TIMEOUT, "channel-timeout"),
    ("sshd killed", 255, PROMPT + BY_REMOTE + CLOSED, Kind.CONNECTION_IDLE, "connection-idle"),
    (
        "ClientAliveCountMax reached",
        255,
        PROMPT + BY_REMOTE + CLOSED,
        Kind.CONNECTION_IDLE,
        "connection-idle",
    ),
    ("dropbear -I", 255, PROMPT + BY_REMOTE + CLOSED, Kind.CONNECTION_IDLE, "connection-idle"),
    (
        "proxy closed the connection",
        255,
        PROMPT + BY_REMOTE + CLOSED,
        Kind.CONNECTION_IDLE,
        "connection-idle",
    ),
    (
        "ProxyJump's connection closed",
        255,
        PROMPT + b"Connection to 127.0.0.1 closed by remote host.\r\n" + BY_REMOTE + CLOSED,
        Kind.CONNECTION_IDLE,
        "connection-idle",
    ),
    ("TCP reset", 255, PROMPT + BROKEN, Kind.RESET, "connection-idle"),
    ("ProxyCommand died", 255, PROMPT + BROKEN, Kind.RESET, "connection-idle"),
    ("ProxyJump's connection reset", 255, PROMPT + BROKEN + BROKEN, Kind.RESET, "connection-idle"),
    ("ServerAlive unanswered", 255, PROMPT + TIMEOUT, Kind.SERVER_ALIVE, None),
    (
        "disconnect message",
        255,
        b"READY$ Received disconnect from 127.0.0.1 port 2260:10: server going down\r\n"
        b"Disconnected from 127.0.0.1 port 2260\r\n",
        Kind.DISCONNECTED,
        None,
    ),
    ("disconnect message of idleness", 255, IDLE_REASON, Kind.DISCONNECTED, "connection-idle"),
    ("master kill -9", 255, PROMPT + SHARED, Kind.MASTER_GONE, None),
    ("master -O exit", 255, PROMPT + SHARED, Kind.MASTER_GONE, None),
    ("master's ChannelTimeout", 255, PROMPT + SHARED, Kind.MASTER_GONE, None),
    ("SIGTERM to ssh", 255, PROMPT, Kind.KILLED_HERE, None),
    ("SIGHUP to ssh", 255, PROMPT, Kind.KILLED_HERE, None),
    ("ChannelTimeout under -q", 255, PROMPT, Kind.KILLED_HERE, None),
    (
        "SIGTERM to ssh -v",
        255,
        PROMPT
        + b"debug1: channel 0: free: client-session, nchannels 1\r\nKilled by signal 15.\r\r\n",
        Kind.KILLED_HERE,
        None,
    ),
    (
        "bash TMOUT",
        0,
        PROMPT + b"\x1b[?2004l\r" + BASH_TMOUT + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "bash TMOUT after false",
        1,
        PROMPT + b"false\r\n\x1b[?2004l\r" + PROMPT + b"\x1b[?2004l\r" + BASH_TMOUT + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "bash TMOUT with half a line typed",
        0,
        PROMPT + b"ls /nonex\x1b[?2004l\r" + BASH_TMOUT + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "bash TMOUT through a mux client",
        0,
        PROMPT + b"\x1b[?2004l\r" + BASH_TMOUT + SHARED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "German bash TMOUT",
        0,
        PROMPT + b"\x1b[?2004l\r\x07Zu lange keine Eingabe: Automatisch ausgeloggt.\r\n" + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "zsh TMOUT",
        14,
        ZSH_PROMPT + b"\r\r\nzsh: timeout\r\n" + CLOSED,
        Kind.TMOUT,
        "zsh-tmout",
    ),
    (
        "mksh TMOUT",
        0,
        b"# W: mksh: timed out waiting for input\r\n" + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "ksh93 TMOUT",
        0,
        b"# \r\r\n\x07shell will timeout in 60 seconds due to inactivity\r\n"
        b"# ksh93: line 1: timed out waiting for input\r\n\r\n" + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "tcsh autologout",
        0,
        b"READY> auto-logout\r\n" + CLOSED,
        Kind.TMOUT,
        "tmout",
    ),
    (
        "TMOUT of a shell that was not the last",
        0,
        PROMPT + b"\x1b[?2004l\r" + BASH_TMOUT + b"back\r\n" + CLOSED,
        Kind.REMOTE_EXIT,
        None,
    ),
    ("remote command done", 0, b"done\r\n" + CLOSED, Kind.REMOTE_EXIT, None),
    ("remote command failed", 7, b"done\r\n" + CLOSED, Kind.REMOTE_EXIT, None),
]

# The same without a capture: other versions' texts (docs/idle-rules.md), and systemd's.
OTHER_VERSIONS = [
    (
        "reset, ssh 7.9",
        255,
        PROMPT + b"packet_write_wait: Connection to 127.0.0.1 port 22: Broken pipe\r\n",
        Kind.RESET,
        "connection-idle",
    ),
    (
        "reset, ssh 10.5",
        255,
        PROMPT + b"Read from remote host 127.0.0.1: Connection reset by peer\r\n" + CLOSED + BROKEN,
        Kind.RESET,
        "connection-idle",
    ),
    (
        "network gone",
        255,
        PROMPT + b"Read from remote host 127.0.0.1: Connection timed out\r\n" + CLOSED,
        Kind.RESET,
        "connection-idle",
    ),
    (
        "host goes down",
        255,
        PROMPT + b"\r\nThe system will reboot now!\r\n\r\n" + BY_REMOTE + CLOSED,
        Kind.SERVER_GONE,
        None,
    ),
]

# Captured from plink 0.78.
PLINK_ENDINGS = [
    ("ChannelTimeout", 0, PROMPT, Kind.CHANNEL_TIMEOUT, "channel-timeout"),
    ("sshd killed", 1, PROMPT + FATAL, Kind.CONNECTION_IDLE, "connection-idle"),
    ("TCP reset", 1, PROMPT + b"FATAL ERROR: Connection reset by peer\r\n", Kind.RESET, None),
    (
        "disconnect message",
        1,
        b"READY$ FATAL ERROR: Remote side sent disconnect message\r\n"
        b'type 11 (by application):\r\n"Idle timeout"\r\n',
        Kind.DISCONNECTED,
        "connection-idle",
    ),
    (
        "bash TMOUT",
        0,
        PROMPT + b"\x1b[?2004l\r" + BASH_TMOUT,
        Kind.TMOUT,
        "tmout",
    ),
    # Not captured: the older texts.
    (
        "network error",
        1,
        PROMPT + b"FATAL ERROR: Network error: Software caused connection abort\r\n",
        Kind.RESET,
        None,
    ),
    (
        "other error",
        1,
        PROMPT + b"FATAL ERROR: Incorrect MAC received on packet\r\n",
        Kind.CLIENT_GAVE_UP,
        None,
    ),
]

# Captured: the user acted within 2 s of the end.
USER_ENDINGS = [
    ("exit", 0, PROMPT + b"exit\r\n\x1b[?2004l\rexit\r\n" + CLOSED),
    ("exit 7", 7, PROMPT + b"exit 7\r\n\x1b[?2004l\rexit\r\n" + CLOSED),
    ("exit 255", 255, PROMPT + b"exit 255\r\n\x1b[?2004l\rexit\r\n" + CLOSED),
    ("^D", 0, PROMPT + b"\x1b[?2004l\r\r\nexit\r\n" + CLOSED),
    ("exit of a login shell", 0, PROMPT + b"exit\r\n\x1b[?2004l\rlogout\r\n" + CLOSED),
    (
        "exit under -v",
        0,
        b"\x1b[?2004l\rlogout\r\ndebug1: channel 0: free: client-session, nchannels 1\r\r\n"
        + CLOSED
        + b"Transferred: sent 3788, received 3436 bytes, in 0.3 seconds\r\r\n"
        + b"Bytes per second: sent 11255.4, received 10209.5\r\r\ndebug1: Exit status 0\r\r\n",
    ),
    ("exit through a mux client", 7, PROMPT + b"\x1b[?2004l\rexit\r\n" + SHARED),
]

# Captured: kill -9 $$ typed, zsh's silent exit; only the time tells.
TYPED_ENDINGS = [
    ("kill -9 $$", 255, PROMPT + b"kill -9 $$\r\n\x1b[?2004l\r" + CLOSED),
    ("kill -9 $$ through a mux client", 255, PROMPT + b"kill -9 $$\r\n\x1b[?2004l\r" + SHARED),
]

# Captured before there was a session: (program, status, tail, kind).
FAILURES = [
    ("ssh", b"ssh: connect to host 127.0.0.1 port 2299: Connection refused", Kind.UNREACHABLE),
    (
        "ssh",
        b"ssh: Could not resolve hostname nosuch.invalid: Temporary failure in name resolution",
        Kind.UNREACHABLE,
    ),
    (
        "ssh",
        b"ssh: connect to host 192.0.2.1 port 2201: Network is unreachable",
        Kind.UNREACHABLE,
    ),
    (
        "ssh",
        b"Connection timed out during banner exchange\r\r\n"
        b"Connection to 127.0.0.1 port 39573 timed out",
        Kind.UNREACHABLE,
    ),
    ("ssh", b"root@127.0.0.1: Permission denied (publickey).", Kind.AUTH_FAILED),
    (
        "ssh",
        b"Host key for [127.0.0.1]:2201 has changed and you have requested strict checking.\r\r\n"
        b"Host key verification failed.",
        Kind.HOST_KEY,
    ),
    (
        "ssh",
        b"No ED25519 host key is known for [127.0.0.1]:2201 and you have requested strict "
        b"checking.\r\r\nHost key verification failed.",
        Kind.HOST_KEY,
    ),
    (
        "ssh",
        b"Unable to negotiate with 127.0.0.1 port 2210: no matching key exchange method found. "
        b"Their offer: diffie-hellman-group14-sha1,kex-strict-s-v00@openssh.com",
        Kind.NOT_BEGUN,
    ),
    ("ssh", b"command-line: line 0: Bad configuration option: nonsense", Kind.NOT_BEGUN),
    (
        "ssh",
        b"kex_exchange_identification: read: Connection reset by peer\r\r\n"
        b"Connection reset by 127.0.0.1 port 42433",
        Kind.NOT_BEGUN,
    ),
    ("plink", b"FATAL ERROR: Connection refused", Kind.UNREACHABLE),
    (
        "plink",
        b"Unable to open connection:\r\nTemporary failure in name resolution",
        Kind.UNREACHABLE,
    ),
    (
        "plink",
        b"Server refused our key\r\r\n"
        b"FATAL ERROR: No supported authentication methods available (server sent: publickey)",
        Kind.AUTH_FAILED,
    ),
    ("plink", b"FATAL ERROR: Host key not in manually configured list", Kind.HOST_KEY),
]


def ids(table: list[tuple[Any, ...]]) -> list[str]:
    return [row[0] for row in table]


@pytest.mark.parametrize(
    ("_name", "status", "tail", "kind", "rule"),
    IDLE_ENDINGS + OTHER_VERSIONS,
    ids=ids(IDLE_ENDINGS + OTHER_VERSIONS),
)
def test_nobody_typed(_name: str, status: int, tail: bytes, kind: Kind, rule: str | None) -> None:
    end = ending(tail, status)
    assert (end.kind, end.rule) == (kind, rule)
    assert end.is_drop == (kind is not Kind.REMOTE_EXIT)
    assert end.idle == (900.0 if rule else None)


@pytest.mark.parametrize(
    ("_name", "status", "tail", "kind", "rule"), PLINK_ENDINGS, ids=ids(PLINK_ENDINGS)
)
def test_plink(_name: str, status: int, tail: bytes, kind: Kind, rule: str | None) -> None:
    end = ending(tail, status, program="plink", output_idle=900.0)
    assert (end.kind, end.is_drop) == (kind, True)
    assert end.idle == (900.0 if end.rule else None)
    assert end.rule == (rule or ("connection-idle" if kind is Kind.RESET else None))


@pytest.mark.parametrize(
    ("_name", "status", "tail"), USER_ENDINGS + TYPED_ENDINGS, ids=ids(USER_ENDINGS + TYPED_ENDINGS)
)
def test_the_user_typed(_name: str, status: int, tail: bytes) -> None:
    end = ending(tail, status, user_idle=0.01)
    assert (end.kind, end.is_drop) == (Kind.OWN_EXIT, False)
    assert f"status {status}" in end.sentence


@pytest.mark.parametrize(("_name", "status", "tail"), USER_ENDINGS, ids=ids(USER_ENDINGS))
def test_a_slow_exit_is_still_the_users(_name: str, status: int, tail: bytes) -> None:
    assert ending(tail, status, user_idle=30.0).kind is Kind.OWN_EXIT


@pytest.mark.parametrize(("_name", "status", "tail"), TYPED_ENDINGS, ids=ids(TYPED_ENDINGS))
def test_long_after_the_last_key_it_is_a_drop(_name: str, status: int, tail: bytes) -> None:
    assert ending(tail, status, user_idle=30.0).is_drop


@pytest.mark.parametrize(("program", "tail", "kind"), FAILURES)
def test_before_the_session(program: str, tail: bytes, kind: Kind) -> None:
    status = 1 if program == "plink" else 255
    end = ending(tail + b"\r\r\n", status, session=False, program=program)
    assert (end.kind, end.is_drop, end.rule) == (kind, False, None)


def test_the_shells_words_count_only_after_an_idle_time() -> None:
    assert ending(BASH_TMOUT + CLOSED, 0, user_idle=1.0).kind is Kind.OWN_EXIT
    assert ending(b"zsh: timeout\r\n" + CLOSED, 14, user_idle=1.0).kind is Kind.OWN_EXIT
    assert ending(b"\x07Zeit abgelaufen\r\n" + CLOSED, 0, user_idle=1.0).kind is Kind.OWN_EXIT
    assert ending(BASH_TMOUT + CLOSED, 0, lasted=1.0).kind is Kind.REMOTE_EXIT
    assert ending(BASH_TMOUT + CLOSED, 0, lasted=None).idle is None


def test_the_escape() -> None:
    for tail in (PROMPT + CLOSED, PROMPT + SHARED, PROMPT):
        assert ending(tail, quit_typed=True, user_idle=0.0).kind is Kind.ESCAPE_QUIT
    assert ending(PROMPT, None, signal=1, quit_typed=True).kind is Kind.ESCAPE_QUIT
    # ssh took `~.` for text, and the shell ended in good order.
    assert ending(b"exit\r\n" + CLOSED, 0, quit_typed=True).kind is Kind.OWN_EXIT


@pytest.mark.parametrize(
    ("facts", "kind", "words"),
    [
        ({"signal": 9}, Kind.KILLED_HERE, "ssh was killed here by SIGKILL"),
        ({"signal": 64}, Kind.KILLED_HERE, "by signal 64"),
        ({"signal": 15, "program": "plink"}, Kind.KILLED_HERE, "plink was killed here by SIGTERM"),
        ({"signal": 2, "session": False}, Kind.NOT_BEGUN, "by SIGINT before the session began"),
        ({"signal": 15, "forwarded": 15}, Kind.SIGNAL_HERE, "SIGTERM was sent to keepshell"),
        ({"signal": None}, Kind.UNKNOWN, "is unknown"),
    ],
)
def test_without_a_status(facts: dict[str, Any], kind: Kind, words: str) -> None:
    end = ending(PROMPT, None, **facts)
    assert (end.kind, end.is_drop) == (kind, kind is Kind.KILLED_HERE)
    assert words in end.sentence


def test_a_signal_passed_on_leaves_ssh_its_status() -> None:
    end = ending(PROMPT, forwarded=1)
    assert (end.kind, end.sentence) == (Kind.SIGNAL_HERE, "SIGHUP was sent to keepshell.")
    # The signal came, and ssh had been done already.
    assert ending(CLOSED, 0, forwarded=1).kind is Kind.REMOTE_EXIT


def test_a_shell_that_another_terminal_has_is_not_lost() -> None:
    end = ending(PROMPT, 254, moved=True)
    assert (end.kind, end.is_drop, end.rule) == (Kind.MOVED, False, None)


def test_ssh_says_why_it_gave_up() -> None:
    end = ending(
        PROMPT
        + b"Bad packet length 4278190108.\r\nssh_dispatch_run_fatal: Connection to 127.0.0.1 "
        b"port 51141: message authentication code incorrect\r\n"
    )
    assert end.kind is Kind.CLIENT_GAVE_UP
    assert '"message authentication code incorrect"' in end.sentence


@pytest.mark.parametrize(
    ("reason", "facts", "rule", "idle"),
    [
        (b"closed due to user inactivity", {"user_idle": 600.0}, "connection-idle", 600.0),
        (b"INACTIVE SESSION", {"user_idle": 600.0}, "connection-idle", 600.0),
        (b"idle timeout", {"user_idle": 600.0, "sent_idle": 20.0}, "stop-idle", 600.0),
        (b"idle timeout", {"user_idle": 0.1, "sent_gap": 600.0}, "connection-idle", 600.0),
        (b"idle timeout", {"user_idle": 0.1, "sent_gap": 0.2}, None, None),
        (b"server going down", {"user_idle": 600.0}, None, None),
    ],
)
def test_a_reason_that_names_idleness(
    reason: bytes, facts: dict[str, Any], rule: str | None, idle: float | None
) -> None:
    said = b"Received disconnect from 10.0.0.1 port 22:2: " + reason + b"\r\n"
    end = ending(PROMPT + said, **facts)
    assert (end.kind, end.rule, end.idle) == (Kind.DISCONNECTED, rule, idle)
    assert f'It said "{reason.decode()}"' in end.sentence


def test_output_to_the_end_rules_channel_timeout_out() -> None:
    reads = ((3.0, 40), (0.5, 40), (0.001, len(CLOSED)))
    end = ending(PROMPT + CLOSED, user_idle=900.0, output_idle=0.0, reads=reads)
    assert (end.kind, end.rule) == (Kind.REMOTE_KILLED, None)
    assert Kind.REMOTE_EXIT in end.alternatives


@pytest.mark.parametrize(
    ("reads", "idle"),
    [
        (((60.0, 40), (0.002, 10), (0.001, len(CLOSED) - 10)), 60.0),
        (((60.0, len(CLOSED) - 5), (0.003, 10), (0.002, 10), (0.001, len(CLOSED) - 20)), 60.0),
        (((60.0, 40 + len(CLOSED)),), 60.0),
        (((0.001, len(CLOSED)),), 900.0),  # older reads are forgotten
        ((), 900.0),
    ],
)
def test_the_silence_of_a_channel(reads: tuple[tuple[float, int], ...], idle: float) -> None:
    end = ending(PROMPT + CLOSED, user_idle=900.0, output_idle=0.0, reads=reads)
    assert (end.kind, end.idle) == (Kind.CHANNEL_TIMEOUT, idle)


def test_a_no_op_is_input_and_a_window_change_is_none() -> None:
    facts: dict[str, Any] = {"user_idle": 900.0, "sent_idle": 20.0, "keepalives": 14}
    assert ending(PROMPT + CLOSED, **facts).idle == 900.0
    assert ending(PROMPT + CLOSED, **facts, no_ops=3, typed_idle=240.0).idle == 240.0


@pytest.mark.parametrize(
    ("facts", "kind", "rule", "idle"),
    [
        # Nothing had gone out.
        ({"user_idle": 600.0}, Kind.CONNECTION_IDLE, "connection-idle", 600.0),
        # The last key came right before the end, after 600 s.
        ({"user_idle": 0.1, "sent_gap": 600.0}, Kind.CONNECTION_IDLE, "connection-idle", 600.0),
        # So did the first keepalive.
        (
            {"user_idle": 60.1, "sent_idle": 0.1, "sent_gap": 60.0},
            Kind.CONNECTION_IDLE,
            "connection-idle",
            60.0,
        ),
        # Keepalives older than the last key prove nothing.
        ({"user_idle": 30.0, "sent_idle": 90.0}, Kind.CONNECTION_IDLE, "connection-idle", 30.0),
        # The host survived keepalives, and closed all the same.
        ({"user_idle": 900.0, "sent_idle": 20.0}, Kind.STOP_IDLE, "stop-idle", 900.0),
        (
            {"user_idle": 900.0, "sent_idle": 0.1, "sent_gap": 60.0},
            Kind.STOP_IDLE,
            "stop-idle",
            900.0,
        ),
        # In use.
        ({"user_idle": 0.1}, Kind.SERVER_GONE, None, None),
        ({"user_idle": 0.1, "sent_gap": 1.0}, Kind.SERVER_GONE, None, None),
        ({"user_idle": 60.1, "sent_idle": 0.1}, Kind.SERVER_GONE, None, None),
        ({"lasted": None}, Kind.CONNECTION_IDLE, "connection-idle", None),
        ({"lasted": None, "sent_gap": 60.0}, Kind.CONNECTION_IDLE, "connection-idle", None),
    ],
)
def test_which_silence_the_server_punished(
    facts: dict[str, Any], kind: Kind, rule: str | None, idle: float | None
) -> None:
    end = ending(PROMPT + BY_REMOTE + CLOSED, **facts)
    assert (end.kind, end.rule, end.idle) == (kind, rule, idle)


@pytest.mark.parametrize(
    ("facts", "rule", "words"),
    [
        ({"user_idle": 900.0}, "connection-idle", "after 15m without input or window-change"),
        ({"user_idle": 900.0, "sent_idle": 20.0}, None, "despite keepalives"),
        ({"user_idle": 0.1}, None, "while it was in use"),
    ],
)
def test_a_broken_connection(facts: dict[str, Any], rule: str | None, words: str) -> None:
    end = ending(PROMPT + BROKEN, **facts)
    assert (end.kind, end.rule) == (Kind.RESET, rule)
    assert words in end.sentence


def test_only_plink_ends_without_a_word_and_with_success() -> None:
    facts: dict[str, Any] = {"output_idle": 900.0}
    assert ending(PROMPT, 0, program="ssh", **facts).kind is Kind.REMOTE_EXIT
    assert ending(PROMPT, 255, program="mosh", **facts).kind is Kind.REMOTE_EXIT
    assert ending(PROMPT, 7, program="plink", **facts).kind is Kind.REMOTE_EXIT
    assert ending(PROMPT, 0, program="plink", output_idle=0.1).kind is Kind.REMOTE_EXIT


def test_the_sentence() -> None:
    end = ending(PROMPT + CLOSED, user_idle=900.0, sent_idle=20.0, keepalives=14)
    assert end.sentence == (
        "session dropped: the server closed the channel after 15m without input or output. It looks"
        " like ChannelTimeout, or the remote shell was killed or ended with status 255. keepshell"
        " had sent 14 window-changes."
    )
    assert end.alternatives == (Kind.REMOTE_KILLED, Kind.REMOTE_EXIT)


@pytest.mark.parametrize(
    ("keepalives", "no_ops", "words"),
    [
        (1, 0, ". keepshell had sent 1 window-change."),
        (2, 2, ". keepshell had sent 2 harmless inputs."),
        (14, 1, ". keepshell had sent 13 window-changes and 1 harmless input."),
    ],
)
def test_the_sentence_counts_keepalives(keepalives: int, no_ops: int, words: str) -> None:
    assert ending(CLOSED, keepalives=keepalives, no_ops=no_ops).sentence.endswith(words)


@pytest.mark.parametrize("tail", [PROMPT + CLOSED, BASH_TMOUT + CLOSED, PROMPT + BY_REMOTE])
def test_that_nothing_was_sent_is_not_worth_a_word(tail: bytes) -> None:
    assert "keepshell had sent" not in ending(tail).sentence
    assert "keepshell had sent" in ending(tail, keepalives=1).sentence


def test_the_peers_reason_is_made_printable() -> None:
    said = b"Received disconnect from 127.0.0.1 port 22:11: \x1b]0;owned\x07\xe9" + b"a" * 300
    end = ending(PROMPT + said + b"\r\n")
    assert '"?]0;owned??aaa' in end.sentence
    assert len(end.sentence) <= 300


WORDS_OF_SSH = [
    BY_REMOTE,
    BROKEN,
    TIMEOUT,
    SHARED,
    FATAL,
    BASH_TMOUT,
    b"zsh: timeout\r\n",
    b"auto-logout\r\n",
    b"Killed by signal 15.\r\r\n",
    b"Received disconnect from 127.0.0.1 port 22:11: idle\r\n",
    b"Permission denied (publickey).\r\n",
]
DROPS_BY_TEXT = set(Kind) - {
    Kind.OWN_EXIT,
    Kind.REMOTE_EXIT,
    Kind.CHANNEL_TIMEOUT,
    Kind.REMOTE_KILLED,
}


@pytest.mark.parametrize("quoted", WORDS_OF_SSH)
@pytest.mark.parametrize("status", [0, 1, 7, 14, 255])
@pytest.mark.parametrize("user_idle", [0.1, 900.0])
def test_quotes_in_the_output_are_not_words_of_ssh(
    quoted: bytes, status: int, user_idle: float
) -> None:
    end = ending(b"cat log\r\n" + quoted + PROMPT + CLOSED, status, user_idle=user_idle)
    assert end.kind not in DROPS_BY_TEXT
    assert end.is_drop == (status == 255 and user_idle == 900.0)


@pytest.mark.parametrize("quoted", [word for word in WORDS_OF_SSH if b"logout" not in word])
@pytest.mark.parametrize("status", [0, 1, 7, 14])
def test_quotes_at_the_very_end_need_the_status_of_a_drop(quoted: bytes, status: int) -> None:
    end = ending(quoted.replace(b"zsh: ", b"") + CLOSED, status, user_idle=900.0)
    assert (end.kind, end.is_drop) == (Kind.REMOTE_EXIT, False)


def test_a_line_without_its_carriage_return_is_no_word_of_ssh() -> None:
    assert ending(PROMPT + TIMEOUT.replace(b"\r", b"")).kind is not Kind.SERVER_ALIVE
    assert ending(b"zsh: timeout\n" + CLOSED, 14).kind is Kind.REMOTE_EXIT


def test_only_the_last_kilobyte_is_read() -> None:
    announced = b"The system will reboot now!\r\n"
    for size, kind in ((100, Kind.SERVER_GONE), (2000, Kind.CONNECTION_IDLE)):
        assert ending(announced + b"x" * size + BY_REMOTE + CLOSED).kind is kind


def test_exit_must_be_the_last_line_of_the_shell() -> None:
    assert ending(b"exit\r\n" + PROMPT + CLOSED).kind is Kind.CHANNEL_TIMEOUT
    assert ending(PROMPT + b"no exit\r\n" + CLOSED).kind is Kind.CHANNEL_TIMEOUT


def test_texts_from_before_the_session_mean_nothing_in_it() -> None:
    assert ending(b"Permission denied (publickey).\r\n" + PROMPT).kind is Kind.KILLED_HERE
    assert ending(b"Host key verification failed.\r\n" + PROMPT).kind is Kind.KILLED_HERE
    assert ending(b"curl: (7) Connection refused\r\n" + PROMPT).kind is Kind.KILLED_HERE


SECONDS = st.none() | st.floats(min_value=0, max_value=1e9)
TAILS = st.lists(
    st.sampled_from([*WORDS_OF_SSH, CLOSED, PROMPT, b"exit\r\n"]) | st.binary(max_size=80),
    max_size=8,
).map(b"".join)
EVIDENCE = st.builds(
    Evidence,
    exit_status=st.none() | st.sampled_from([0, 1, 7, 14, 128, 255]),
    signal=st.none() | st.integers(1, 64),
    tail=TAILS,
    session=st.booleans(),
    user_idle=SECONDS,
    output_idle=SECONDS,
    sent_idle=SECONDS,
    quit_typed=st.booleans(),
    keepalives=st.integers(0, 10**6),
    no_ops=st.integers(0, 10**6),
    typed_idle=SECONDS,
    sent_gap=SECONDS,
    lasted=SECONDS,
    reads=st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 4096)), max_size=4).map(tuple),
    forwarded=st.none() | st.integers(1, 64),
    program=st.sampled_from(["ssh", "plink", "mosh"]) | st.text(max_size=300),
)


@given(EVIDENCE)
def test_any_evidence_has_an_ending_in_one_printable_line(evidence: Evidence) -> None:
    end = classify(evidence)
    assert end.sentence.isascii()
    assert end.sentence.isprintable()
    assert end.sentence.endswith(".")
    assert len(end.sentence) <= 300
    assert end.is_drop == end.sentence.startswith("session dropped: ")
    assert end.kind not in end.alternatives
    assert end.is_drop or end.rule is None


@given(st.binary(max_size=300), st.sampled_from([0, 1, 7, 14, 128]))
def test_output_that_ends_at_a_prompt_is_never_a_drop(output: bytes, status: int) -> None:
    assert not ending(output + PROMPT + CLOSED, status, user_idle=900.0).is_drop


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "less than 1s"),
        (0.4, "less than 1s"),
        (1, "1s"),
        (90.4, "90s"),
        (119.6, "2m"),
        (899.7, "15m"),
        (929, "15m"),
        (7199, "119m"),
        (7200, "2h"),
        (12345, "3h 25m"),
        (86400, "24h"),
        (172800, "2d"),
        (200000, "2d 7h"),
    ],
)
def test_a_duration_in_a_sentence(seconds: float, text: str) -> None:
    assert describe(seconds) == text


def known(kind: str, limit: float, source: str = PROBE) -> Rule:
    return Rule(KINDS[kind], limit, source)


@pytest.mark.parametrize(
    ("tail", "facts", "rule", "kind", "idle"),
    [
        # A real logind, in less: ssh says what it says of sshd's own timers.
        (BY_REMOTE + CLOSED, {"user_idle": 31.0}, known("logind", 30), Kind.LOGIND, 31.0),
        (BY_REMOTE, {"user_idle": 6.4}, known("dropbear-idle", 6), Kind.DROPBEAR_IDLE, 6.4),
        (BROKEN, {"user_idle": 300.0}, known("client-alive", 300), Kind.CLIENT_ALIVE, 300.0),
        (SHARED, {"user_idle": 60.0}, known("channel-timeout", 60), Kind.CHANNEL_TIMEOUT, 60.0),
        (CLOSED, {"user_idle": 59.6}, known("tty-idle", 60), Kind.TTY_IDLE, 59.6),
        (BASH_TMOUT, {"user_idle": 60.0}, known("autologout", 60), Kind.TMOUT, 60.0),
        # Without a word; the host printed 2 s before the end, and logind goes by input.
        (
            b"",
            {"user_idle": 30.0, "output_idle": 12.0, "hidden": True},
            known("logind", 30),
            Kind.LOGIND,
            30.0,
        ),
    ],
)
def test_what_is_known_explains_first(
    tail: bytes, facts: dict[str, Any], rule: Rule, kind: Kind, idle: float
) -> None:
    evidence = Evidence(
        exit_status=255, signal=None, session=True, lasted=900.0, tail=tail, **facts
    )
    end = classify(evidence, [known("channel-timeout", 7000), rule])
    assert (end.kind, end.idle, end.known, end.rule) == (kind, idle, rule, rule.kind.name)
    assert end.sentence.startswith(f"session dropped: {rule.kind.owner} ended it after ")
    assert end.alternatives == ()
    assert classify(evidence, [rule.with_changes(limit=rule.limit * 3)]).known is None


def test_the_more_certain_rule_explains() -> None:
    evidence = Evidence(exit_status=255, signal=None, session=True, lasted=30.0, tail=BY_REMOTE)
    rules = known("logind", 30), known("client-alive", 30)
    assert classify(evidence, rules).kind is Kind.LOGIND
    assert classify(evidence, rules[::-1]).kind is Kind.CLIENT_ALIVE


def test_what_a_rule_cannot_look_like_it_does_not_explain() -> None:
    stated = [known("tmout", 900, CONFIG), known("client-alive", 900, CONFIG)]
    assert ending(PROMPT + CLOSED).known is None
    evidence = Evidence(
        exit_status=255, signal=None, session=True, lasted=900.0, tail=PROMPT + CLOSED
    )
    assert classify(evidence, stated).known is None
    assert classify(evidence, stated).kind is Kind.CHANNEL_TIMEOUT


def test_timing_speaks_without_words() -> None:
    """Under -q, LogLevel ERROR or `2>file`."""
    end = ending(PROMPT, user_idle=90.0, output_idle=8.0, hidden=True)
    assert (end.kind, end.rule, end.idle) == (Kind.SESSION_IDLE, "session-idle", 8.0)
    assert "A timer on the session" in end.sentence
    assert end.alternatives
    assert ending(PROMPT, user_idle=90.0, output_idle=8.0).kind is Kind.KILLED_HERE
    assert ending(PROMPT, user_idle=1.0, output_idle=8.0, hidden=True).rule is None
    assert ending(PROMPT, user_idle=90.0, output_idle=0.5, hidden=True).rule is None


ACKED = {"gives_up_after": 1200.0, "acked_idle": 480.0, "user_idle": 3000.0, "lasted": 4000.0}


@pytest.mark.parametrize(
    ("facts", "kind"),
    [
        ({"output_idle": 1205.0}, Kind.UNANSWERED),
        # Nothing was ever shown.
        ({"lasted": 1201.0, "output_idle": None}, Kind.UNANSWERED),
        # The network was gone: nothing has been acknowledged since the last output.
        ({"output_idle": 1205.0, "acked_idle": 1300.0}, Kind.SERVER_ALIVE),
        ({"output_idle": 1205.0, "acked_idle": None}, Kind.SERVER_ALIVE),
        # The last key was acknowledged, and the network was gone before ssh's first request.
        ({"output_idle": 1205.0, "acked_idle": 1200.0}, Kind.SERVER_ALIVE),
        # It had answered requests: ssh had begun to count anew.
        ({"output_idle": 2405.0}, Kind.SERVER_ALIVE),
        # The user's own options, which say how fast a dead host is to be noticed.
        ({"output_idle": 1205.0, "gives_up_after": None}, Kind.SERVER_ALIVE),
    ],
)
def test_a_host_that_answers_no_request(facts: dict[str, Any], kind: Kind) -> None:
    known = {**ACKED, **facts}
    reads = () if known["output_idle"] is None else ((known["output_idle"], 5), (0.0, len(TIMEOUT)))
    end = ending(TIMEOUT, reads=reads, **known)
    assert (end.kind, end.is_drop) == (kind, True)
    hidden = ending(b"", hidden=True, **known)
    assert (hidden.kind is Kind.UNANSWERED) == (kind is Kind.UNANSWERED)


@pytest.mark.parametrize("row", [row for row in _ROWS if row.kind.is_drop])
def test_the_first_sentence_of_a_drop_fits_into_a_line(row: _Row) -> None:
    words = dict.fromkeys(("idle", "signal", "program", "status", "reason"), "23h 59m")
    said = f"keepshell: session dropped: {row.sentence.format_map(words)}."
    assert len(said) <= 100
    assert ". " not in said


RULES = st.builds(
    Rule,
    st.sampled_from(list(KINDS.values())),
    st.floats(2, 24 * 86400),
    st.sampled_from([CONFIG, PROBE, DROP]),
)
LAST_WORDS = st.sampled_from([tail for _, _, tail, *_ in IDLE_ENDINGS + PLINK_ENDINGS])


@given(EVIDENCE, LAST_WORDS, st.lists(RULES))
def test_a_drop_is_told_by_the_hundredth_column(
    evidence: Evidence, tail: bytes, rules: list[Rule]
) -> None:
    for known in (rules, [rule.with_changes(limit=evidence.user_idle or 60.0) for rule in rules]):
        for found in (evidence, replace(evidence, tail=tail, session=True, exit_status=255)):
            end = classify(found, known)
            first, stop, _ = f"keepshell: {end.sentence} ".partition(". ")
            assert stop
            assert not end.is_drop or len(first) < 100


@pytest.mark.parametrize("kind", [kind for kind in KINDS.values() if kind.name in _SILENCES])
def test_so_does_that_of_a_known_rule(kind: RuleKind) -> None:
    said = f"keepshell: session dropped: {kind.owner} ended it after 23h 59m {kind.quiet}."
    assert len(said) <= 100
