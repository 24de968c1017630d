"""What is said of a host that is away: the title, the page, and the line at the end."""

from __future__ import annotations

from keepshell.core.link.recovery import Failure, State
from keepshell.core.rules.durations import describe

TYPE_CHECKING = False
if TYPE_CHECKING:
    from keepshell.core.link.header import Header, Kept
    from keepshell.core.link.held import Held
    from keepshell.core.link.recovery import Recovery

NO_ENGINE = "this shell is not kept: the host has neither Python 3 nor Perl"
NO_MARKER = "this shell is not kept: the host has started something else in its place"
KILLED_WITH_SESSION = (
    "this shell will not outlive its connection: logind kills it (KillUserProcesses=yes)"
)
NO_HEADER = "The host began to keep the shell, and then did not answer any more."
TOO_LATE = "the login was not finished in 30 s"
OTHER_MACHINE = "another machine answers under this name"
SUPERSEDED = "The shell has moved to another terminal, or has ended with status 254."
LEAVE = "leave; the shell goes on"
LOGGING_IN = ("Logging in:", "")

_LINES = 14
"""What fits into 24 rows below the rest of the page: all that ssh says of a changed host key."""

_FAILURES = (
    ("Host key verification failed", Failure.HOST_KEY),
    ("REMOTE HOST IDENTIFICATION HAS CHANGED", Failure.HOST_KEY),
    ("No matching host key", Failure.HOST_KEY),
    ("Permission denied", Failure.REFUSED),
    ("Too many authentication failures", Failure.REFUSED),
)


def failure_of(said: str) -> Failure:
    """Why ssh has failed, by its own words (sshconnect.c, sshconnect2.c)."""
    return next((failure for words, failure in _FAILURES if words in said), Failure.NETWORK)


def asks_for_touch(said: bytes) -> bool:
    """Whether ssh waits for a touch of a security key (sshconnect2.c)."""
    return b"Confirm user presence" in said


def escapes(character: str, key: bytes, *, kept: bool) -> bytes:
    """The answer to an escape that is neither `~.` nor `~^Z`."""
    lines = [character + key.decode("latin-1"), ""]
    if key == b"?":
        lines[1:] = ["Supported escape sequences:"]
    else:
        lines[1:] = ["Not with the setting reattach. Supported escape sequences:"]
    lines += [
        f" {character}.   - {LEAVE if kept else 'leave'}",
        f" {character}^Z  - suspend keepshell",
        f" {character}?   - this message",
        f" {character}{character}   - send the escape character by typing it twice",
        "(Note that escapes are only recognized immediately after newline.)",
        "",
    ]
    return "\r\n".join(lines).encode("latin-1", "replace")


def away(recovery: Recovery, seconds: float) -> str:
    """For the title."""
    if recovery.state is State.NEEDS_YOU and recovery.reached:
        return "reachable again; Enter logs in"
    if recovery.state is State.NEEDS_YOU:
        return f"away for {describe(seconds)}; Enter logs in"
    if recovery.lost_at is not None:
        return f"connection lost for {describe(seconds)}"
    return f"no answer for {describe(seconds)}"


def page(
    kept: Kept, recovery: Recovery, now: float, held: Held, last_words: str, *, is_kept: bool
) -> tuple[str, ...]:
    """The page that a key opens."""
    leaving = f"{LEAVE} for {describe(kept.keep)}" if is_kept else "leave"
    lines = [f"{kept.name}: {away(recovery, recovery.away_for(now))}.", "", _next(recovery, now)]
    said = last_words.splitlines()
    if said:
        lines += (
            [f"The last attempt: {said[0]}"] if len(said) == 1 else ["The last attempt:", *said]
        )
    lines += ["", _holding(held)] if held.keys else []
    return (
        *lines,
        "",
        "Enter  try now      ~^Z  suspend keepshell",
        f"~.     {leaving}",
    )


def _next(recovery: Recovery, now: float) -> str:
    at = recovery.attempts.next_at
    if recovery.trying:
        return "A new connection is being tried."
    if at is not None:
        return f"The next attempt is in {describe(max(1.0, at - now))}."
    if recovery.needs_person:
        if recovery.failure is Failure.HOST_KEY:
            return "The host's key has changed: press Enter to log in, and to read what ssh says."
        return "The login needs you: press Enter to log in."
    return "There is no network; it is tried as soon as there is."


def _holding(held: Held) -> str:
    refused = f" (and {_keys(held.refused)} were too many)" if held.refused else ""
    return f"Held until you say so: {_keys(held.keys)}{refused}."


def last_lines(said: bytes) -> str:
    """As many of ssh's words at a login as the page has room for, without empty lines."""
    lines = said.decode("utf-8", "replace").splitlines()
    return "\n".join([line.strip() for line in lines if line.strip()][-_LINES:])


def question(back: str, held: Held, news: tuple[str, ...]) -> tuple[str, ...]:
    """The page once the host is `back`, in a sentence."""
    told = [f"Before it was lost: {one}." for one in news]
    return (back, "", *told, _holding(held), "", "Enter  send      Esc  forget")


def back(name: str) -> str:
    """Into the same shell."""
    return f"{name} is back."


def begun_anew(kept: Kept, directory: str) -> str:
    """Into another one, which knows nothing of the one before."""
    if kept.command:
        return f"{kept.name} is back: a new connection runs {kept.command}."
    where = f" in {directory}" if directory else ""
    return f"{kept.name} is back with a new shell{where}; the one before was lost."


def news(missing: int, dropped: int) -> tuple[str, ...]:
    """What was lost: keys that were sent and never arrived, output that the host had to drop."""
    told = []
    if missing:
        told = [f"the last {'key' if missing == 1 else f'{missing} keys'} did not arrive"]
    if dropped < 0:
        told += ["the host was set back to an earlier time"]
    elif dropped:
        told += [f"{dropped} bytes of output were too many to keep"]
    return tuple(told)


def _keys(count: int) -> str:
    return "1 key" if count == 1 else f"{count} keys"


def not_kept(why: str) -> str:
    """The host can't keep a shell."""
    return f"this shell is not kept: {why}"


def same_machine(before: Header | None, after: Header) -> bool:
    """Whether both headers are of one machine, or one of them does not say."""
    machines = {header.fields.get("machine", "") for header in (before, after) if header}
    return len(machines - {""}) < 2


def gone(before: Header | None, after: Header) -> str:
    """Why the shell is no longer there."""
    boots = [header.fields.get("boot", "") for header in (before, after) if header]
    if len(set(boots) - {""}) > 1:
        return "The shell is gone: the host was restarted."
    status = after.fields.get("status")
    return f"The shell has ended{f' (status {status})' if status else ''}."


def left(kept: Kept) -> str:
    """After `~.`; it ends in the command, to which a number may be added."""
    return (
        f"The shell on {kept.name} goes on for {describe(kept.keep)}; "
        f"back into it: keepshell attach {kept.name}"
    )
