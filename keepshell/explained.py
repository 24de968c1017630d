"""What a session with a host would do, as data: each value with its source, and why.

Nothing is run but `ssh -G`, and nothing is sent to the host.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from keepshell import launch
from keepshell.config.settings import KEYS
from keepshell.core.rules.durations import show
from keepshell.core.rules.kinds import Rule
from keepshell.core.rules.plan import (
    Plan,
    Remedy,
    adjusted,
    against_idle_limit,
    idle_limit_says,
    next_time,
    plan_for,
)
from keepshell.core.rules.policy import Policy
from keepshell.errors import UsageError
from keepshell.ssh import host_name
from keepshell.store.database import State

NEEDS_A_HOST = "explain needs a host: keepshell explain HOST"
_INTERVAL = "window_change_interval"


def explain(
    typed: Sequence[str], options: Mapping[str, Any], environ: Mapping[str, str]
) -> dict[str, Any]:
    """What `keepshell [OPTIONS] ssh TYPED` would do on a terminal, as docs/state.md has it.

    Raises UsageError for what is no ssh command line, StateError where the state can't be read.
    """
    resolved = launch.examine(typed, options, environ)
    if resolved.command is not None and resolved.command.host is None:  # -V, -Q
        raise UsageError(NEEDS_A_HOST)
    way = launch.route(resolved, is_on_terminal=True)
    settings = way.settings
    if settings is None:
        raise UsageError(f"explain expects ssh's arguments, a host at least: {way.why}")
    name = settings.lookup().name()
    plan = plan_for(State.of(environ).rules(name), settings.policy)
    return {
        "host": name,
        "name": settings.command.host,
        "route": "pty" if isinstance(way, launch.Pty) else "exec",
        "why": way.why,
        "settings": _settings(settings, plan),
        "ssh_options": [
            {"name": name, "value": value, "source": source}
            for name, value, source in settings.server_alive()
        ],
        "problem": _problem(settings, host_name.host_part(name)),
        "idle_limit": _idle_limit(settings),
        "reattach": _reattach(settings.policy, typed, environ),
        "rules": [_rule(remedy) for remedy in plan.remedies],
    }


def _reattach(policy: Policy, typed: Sequence[str], environ: Mapping[str, str]) -> str | None:
    """What becomes of the shell when its connection is lost; None where `reattach` is off."""
    from keepshell.store import kept

    if not policy.reattach or isinstance(policy.reattach, str):
        return "command" if policy.reattach else None
    known = {"": "kept", kept.REFUSED: "refused", kept.DROP: "ended"}
    return known[kept.fate(environ, typed)]


def _problem(host: launch.HostSettings, name: str) -> str:
    """Why ssh could not even begin to connect; empty if no reason is known."""
    import socket

    typed = str(host.command.host)
    ways = (host.option(way, "none") for way in ("ProxyJump", "ProxyCommand"))
    if any(way not in (None, "none") for way in ways):
        return ""  # a proxy knows names that we don't
    try:
        socket.getaddrinfo(name or typed, None)
    except (OSError, UnicodeError):
        called = typed if name in ("", typed.lower()) else f"{typed} ({name})"
        return f"No host called {called}: its name can't be resolved."
    return ""


def _settings(host: launch.HostSettings, plan: Plan) -> list[dict[str, Any]]:
    policy = adjusted(host.policy, plan)
    rows = []
    for name in KEYS:
        value, source = getattr(policy, name), host.sources[name]
        if name == _INTERVAL and value != host.policy.window_change_interval:
            source = f"{_reason(host.policy, plan, value)} ({source}: {_shown(name, host.policy)})"
        text = _shown(name, policy)
        rows.append({"name": name, "value": _plain(value), "text": text, "source": source})
    return rows


def _reason(policy: Policy, plan: Plan, interval: float) -> str:
    """What makes the interval shorter than the policy has it."""
    for remedy in plan.remedies:
        if remedy.acts and remedy.every == interval:
            return f"half of {_stated(remedy.rule)}, {_source(remedy.rule)}"
    return f"half of idle_limit = {show(policy.idle_limit or 0)}"


def _plain(value: object) -> object:
    """A setting as JSON has it: durations in seconds, rungs by name, rules as they are stated."""
    label = getattr(value, "label", None)
    if label is not None:
        return label
    return [_stated(rule) for rule in value] if isinstance(value, tuple) else value


def _shown(name: str, policy: Policy) -> str:
    value = getattr(policy, name)
    return "-" if value in (None, ()) else KEYS[name].kind.show(value)


def _stated(rule: Rule) -> str:
    return f"{rule.kind.name}={show(rule.limit)}"


def _source(rule: Rule) -> str:
    """`drop, suspected`, `drop, confirmed`, `probe`, ..."""
    if rule.confirmed:
        return f"{rule.source}, confirmed"
    return "drop, suspected" if rule.source == "drop" else rule.source


def _rule(remedy: Remedy) -> dict[str, Any]:
    rule = remedy.rule
    return {
        "kind": rule.kind.name,
        "stated": _stated(rule),
        "known_from": _source(rule),
        "owner": rule.kind.owner,
        "limit": rule.limit,
        "source": rule.source,
        "confirmed": rule.confirmed,
        "drops": rule.drops,
        "seen_at": rule.seen_at or None,
        "reset_by": rule.kind.reset_by,
        "verdict": remedy.verdict.value,
        "rung": None if remedy.rung is None else remedy.rung.label,
        "every": remedy.every if remedy.acts else None,
        "setting": remedy.setting or None,
        "says": next_time(remedy),
    }


def _idle_limit(host: launch.HostSettings) -> dict[str, Any] | None:
    limit = host.policy.idle_limit
    if limit is None:
        return None
    every = against_idle_limit(limit, host.policy)
    return {
        "limit": limit,
        "source": host.sources["idle_limit"],
        "reset_by": "packets or input; which is unknown",
        "every": {rung.label: seconds for rung, seconds in every.items()},
        "says": idle_limit_says(limit, host.policy),
    }
