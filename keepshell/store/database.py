"""What is remembered of hosts and of past sessions: one SQLite file, never anything typed or shown.

The rules it keeps:

- a session's end is one transaction: killed halfway, only that session's row is lost;
- anything wrong with the file is a `StateError`, one sentence; a damaged file is set aside under
  a new name, and nothing is ever written over;
- damage is what SQLite calls so, or what a check finds: a statement that fails is our own fault;
- SQLite from 3.31 on will do;
- the rollback journal, not WAL: homes lie on NFS, where WAL's shared memory does not work.

docs/state.md has the tables.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from keepshell import paths
from keepshell.core.idle import Stretch
from keepshell.core.rules.kinds import KINDS, MOST, SOURCES, Rule, one_each
from keepshell.core.rules.rung import RUNGS
from keepshell.errors import InternalError

NAME = "state.db"

READ_WITHIN = 0.25
"""Seconds to wait for another process's transaction at a session's start."""

WRITE_WITHIN = 5.0
"""Seconds to wait for one at other times."""

KEPT_FOR = 400 * 86400
"""Seconds after which a past session is deleted."""

FEW = 20
"""So many sessions must have ended since then: a clock that is years ahead for a day deletes
nothing."""

_MIGRATIONS = (
    """
    CREATE TABLE host (
        id INTEGER PRIMARY KEY,
        name TEXT NOT NULL UNIQUE
    );
    CREATE TABLE rule (
        host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,
        kind TEXT NOT NULL,
        source TEXT NOT NULL,
        seconds REAL NOT NULL CHECK (seconds > 0),
        seen_at REAL NOT NULL,
        confirmed INTEGER NOT NULL,
        drops INTEGER NOT NULL,
        outlasted INTEGER NOT NULL CHECK (outlasted BETWEEN 0 AND 4),
        told TEXT NOT NULL,
        PRIMARY KEY (host, kind, source, seconds)
    );
    CREATE TABLE session (
        id INTEGER PRIMARY KEY,
        host INTEGER NOT NULL REFERENCES host ON DELETE CASCADE,
        started REAL NOT NULL,
        ended REAL NOT NULL,
        ending TEXT NOT NULL,
        status INTEGER NOT NULL,
        longest_idle REAL NOT NULL,
        window_changes INTEGER NOT NULL,
        no_ops INTEGER NOT NULL,
        empty_lines INTEGER NOT NULL,
        injected INTEGER NOT NULL
    );
    CREATE INDEX session_ended ON session (ended);
    CREATE TABLE stretch (
        session INTEGER NOT NULL REFERENCES session ON DELETE CASCADE,
        began REAL NOT NULL,
        seconds REAL NOT NULL,
        keepalives INTEGER NOT NULL
    );
    CREATE INDEX stretch_session ON stretch (session);
    """,
    # Whether a program of the host was seen to answer a window-change: none is sent any more.
    "ALTER TABLE host ADD COLUMN shows_window_changes INTEGER NOT NULL DEFAULT 0",
    """
    ALTER TABLE rule ADD COLUMN plain INTEGER NOT NULL DEFAULT 0;
    UPDATE session SET ending = 'tmout' WHERE ending = 'shell-timeout';
    """,
)
"""Each brings a file of that version (PRAGMA user_version) to the next."""

_TABLES = ("host", "rule", "session", "stretch")

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)

_RULE = "kind, source, seconds, seen_at, confirmed, plain, drops, outlasted, told"
_SESSION = (
    "started, ended, ending, status, longest_idle, window_changes, no_ops, empty_lines, injected"
)


class StateError(InternalError):
    """The state can't be read or written; its `str()` says why, in one line."""


@dataclass(frozen=True, kw_only=True)
class PastSession:
    """A session that has ended; each `injected` byte was part of a no-op or an empty line."""

    host: str
    started: float
    """In seconds since 1970, as `ended`."""
    ended: float
    ending: str
    """The value of an `endings.Kind`."""
    status: int
    """As of os.waitstatus_to_exitcode: negative for a signal."""
    longest_idle: float
    """The longest time without a key, in seconds."""
    window_changes: int = 0
    no_ops: int = 0
    empty_lines: int = 0
    injected: int = 0
    shows_window_changes: bool = False
    """Whether output has answered a window-change."""
    stretches: tuple[Stretch, ...] = ()

    @property
    def keepalives(self) -> int:
        return self.window_changes + self.no_ops + self.empty_lines


class State:
    """The file, opened anew for each call; hosts are `user@hostname:port`."""

    def __init__(self, path: str) -> None:
        self._path = path

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> State:
        """The user's own. Raises StateError where the environment names no directory."""
        directory = paths.state_dir(environ)
        if directory is None:
            raise StateError("nothing is remembered: neither XDG_STATE_HOME nor HOME is a path")
        return cls(f"{directory}/{NAME}")

    def rules(self, host: str, *, within: float = READ_WITHIN) -> list[Rule]:
        """What is known of this host, waiting `within` seconds at most. Raises StateError.

        A kind that this version does not know is left out.
        """
        return _rules(self._query(_RULES_OF, {"name": host}, within=within))

    def shows_window_changes(self, host: str, *, within: float = READ_WITHIN) -> bool:
        """Whether output has ever answered a window-change there. Raises StateError."""
        sql = "SELECT shows_window_changes FROM host WHERE name = :name"
        return any(seen for (seen,) in self._query(sql, {"name": host}, within=within))

    def record(
        self,
        session: PastSession,
        *,
        learned: Rule | None = None,
        told: Iterable[Rule] = (),
        within: float = WRITE_WITHIN,
    ) -> None:
        """Remember a session that has ended, the rule it taught, and the rules the user was told.

        Raises StateError. What others have learned meanwhile stays, and what they forgot too.
        """
        with self._writing(within) as connection:
            host = _host(connection, session.host)
            connection.executemany(
                "UPDATE rule SET told = :told WHERE host = :host AND kind = :kind"
                " AND source = :source AND seconds = :seconds",
                [_columns(rule, host) for rule in told],
            )
            if learned is not None:
                _add_rules(connection, session.host, host, [learned])
            if session.shows_window_changes:
                connection.execute(
                    "UPDATE host SET shows_window_changes = 1 WHERE id = :host", {"host": host}
                )
            columns = {name: getattr(session, name) for name in _SESSION.split(", ")}
            cursor = connection.execute(
                f"INSERT INTO session (host, {_SESSION}) VALUES (:host, {_named(_SESSION)})",  # noqa: S608 - names of columns
                {**columns, "host": host},
            )
            connection.executemany(
                "INSERT INTO stretch (session, began, seconds, keepalives)"
                " VALUES (:session, :began, :seconds, :keepalives)",
                [
                    {"session": cursor.lastrowid, **stretch._asdict()}
                    for stretch in session.stretches
                ],
            )
            connection.execute(_DELETE_OLD, {"few": FEW, "kept_for": KEPT_FOR})

    def put_rules(self, host: str, source: str, rules: Iterable[Rule]) -> None:
        """Let these be all the rules that are known of a host from this source.

        A rule of the same timer that is less certain goes. Raises StateError.
        """
        with self._writing(WRITE_WITHIN) as connection:
            number = _host(connection, host)
            connection.execute(
                "DELETE FROM rule WHERE host = :host AND source = :source",
                {"host": number, "source": source},
            )
            _add_rules(connection, host, number, rules)

    def hosts(self, *, within: float = WRITE_WITHIN) -> list[str]:
        """Every host of which anything is known. Raises StateError."""
        sql = "SELECT name FROM host ORDER BY name"
        return [name for (name,) in self._query(sql, {}, within=within)]

    def forget(self, host: str) -> tuple[int, int] | None:
        """Delete all that is known of a host: how many rules and sessions that was.

        None where nothing is known. Raises StateError.
        """
        if host not in self.hosts():
            return None
        with self._writing(WRITE_WITHIN) as connection:
            rules, sessions = (
                connection.execute(
                    f"DELETE FROM {table} WHERE host IN (SELECT id FROM host WHERE name = :name)",  # noqa: S608 - of two tables
                    {"name": host},
                ).rowcount
                for table in ("rule", "session")
            )
            connection.execute("DELETE FROM host WHERE name = :name", {"name": host})
        return rules, sessions

    def sessions(self, hosts: Sequence[str] | None = None, since: float = 0.0) -> list[PastSession]:
        """The sessions that ended at `since` or later, of these hosts or of all, oldest first.

        Raises StateError.
        """
        rows = self._query(
            f"SELECT session.id, name, {_SESSION}"  # noqa: S608 - names of columns
            " FROM session JOIN host ON host.id = session.host"
            " WHERE ended >= :since ORDER BY started, session.id",
            {"since": since},
        )
        stretches: dict[int, list[Stretch]] = {}
        for session, began, seconds, keepalives in self._query(
            "SELECT session, began, seconds, keepalives FROM stretch"
            " JOIN session ON session.id = session WHERE ended >= :since ORDER BY session, began",
            {"since": since},
        ):
            stretches.setdefault(session, []).append(Stretch(began, seconds, keepalives))
        return [
            _past_session(row, stretches.get(row[0], []))
            for row in rows
            if (hosts is None or row[1] in hosts) and _is_session(*row)
        ]

    def _query(
        self, sql: str, values: Mapping[str, object], *, within: float = WRITE_WITHIN
    ) -> list[Any]:
        """The rows; none where there is no file yet, which is not made."""
        if not os.path.exists(self._path):
            return []
        with self._open(within) as connection:
            version = _version(connection)
            if version == len(_MIGRATIONS):
                return connection.execute(sql, values).fetchall()
        if version == 0:
            return []
        with self._writing(within) as connection:
            return connection.execute(sql, values).fetchall()

    @contextlib.contextmanager
    def _writing(self, within: float) -> Iterator[sqlite3.Connection]:
        """One transaction, committed at the end of the block."""
        with self._errors():
            paths.make_private(os.path.dirname(self._path))
            # Not left to SQLite, which would go by the umask; its journal takes the file's mode.
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NONBLOCK, 0o600)
            try:
                if os.fstat(fd).st_mode & 0o077:
                    os.fchmod(fd, 0o600)
            finally:
                os.close(fd)
        with self._open(within) as connection:
            # Without fsync: the user's shell waits for our end, and on a busy disk each took 20 ms.
            # A kill can't hurt, a power cut in these milliseconds can; a damaged file is set aside.
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("BEGIN IMMEDIATE")
            _migrate(connection)
            yield connection
            connection.execute("COMMIT")

    @contextlib.contextmanager
    def _open(self, within: float) -> Iterator[sqlite3.Connection]:
        with self._errors():
            if not stat.S_ISREG(os.stat(self._path).st_mode):  # to read a FIFO would take for ever
                raise StateError(f"{self._path}: not a regular file")
            connection = sqlite3.connect(self._path, timeout=within, isolation_level=None)
            connection.text_factory = lambda text: text.decode(errors="replace")
            with contextlib.closing(connection):
                if _version(connection) > len(_MIGRATIONS):
                    raise StateError(f"{self._path}: written by a newer keepshell, and left alone")
                yield connection

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        inode = _inode(self._path)
        try:
            yield
        except OSError as error:
            raise StateError(f"{self._path}: {error.strerror}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            ours = code not in (*_DAMAGED, sqlite3.SQLITE_ERROR)
            if ours or (code == sqlite3.SQLITE_ERROR and _is_sound(self._path)):
                raise StateError(f"{self._path}: {error}") from error
            name = f"{NAME}.damaged"
            if inode == _inode(self._path):  # else another process has been faster
                name = self._set_aside(error)
            raise StateError(
                f"{self._path}: damaged ({error}); it is {name} now, and what was known is learned"
                " anew"
            ) from error

    def _set_aside(self, error: sqlite3.Error) -> str:
        """Rename the file, over none that is there; its new name."""
        try:
            aside = _new_file(f"{self._path}.damaged")
            # The journal first: SQLite would play it back into the new file.
            with contextlib.suppress(FileNotFoundError):
                os.replace(f"{self._path}-journal", f"{aside}-journal")
            os.replace(self._path, aside)
        except OSError:
            raise StateError(f"{self._path}: damaged ({error}); move it away") from error
        return os.path.basename(aside)


_RULES_OF = f"SELECT {_RULE} FROM rule JOIN host ON host.id = rule.host WHERE name = :name"  # noqa: S608 - names of columns


_DELETE_OLD = """
    DELETE FROM session WHERE ended < -:kept_for +
    (SELECT min(ended) FROM (SELECT ended FROM session ORDER BY id DESC LIMIT :few))
"""


def _new_file(wished: str) -> str:
    """Make an empty file, of this name or with a number after it, that was not there before."""
    name, number = wished, 1
    while True:
        try:
            os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except FileExistsError:
            number += 1
            name = f"{wished}.{number}"
        else:
            return name


def _is_sound(path: str) -> bool:
    """Whether SQLite finds nothing wrong with the file, and our tables in it."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=READ_WITHIN)) as connection:
            ours = _our_columns()
            found = {table: _columns_of(connection, table) for table in ours}
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            return said == "ok" and all(ours[table] <= found[table] for table in ours)
    except sqlite3.Error:
        return True  # locked, or not to be read: that shows no damage


def _our_columns() -> dict[str, set[str]]:
    """The columns of our tables that were there from the first version on."""
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(_MIGRATIONS[0])
        return {table: _columns_of(connection, table) for table in _TABLES}


def _columns_of(connection: sqlite3.Connection, table: str) -> set[str]:
    return {row[1] for row in connection.execute(f"PRAGMA table_info({table})")}


def _named(columns: str) -> str:
    """`:a, :b` for `a, b`."""
    return ", ".join(f":{name}" for name in columns.split(", "))


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _migrate(connection: sqlite3.Connection) -> None:
    """Bring the tables to our version, within the transaction if there is one."""
    for version in range(_version(connection), len(_MIGRATIONS)):
        for statement in _MIGRATIONS[version].split(";"):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {version + 1}")


def _host(connection: sqlite3.Connection, name: str) -> int:
    connection.execute("INSERT OR IGNORE INTO host (name) VALUES (:name)", {"name": name})
    row = connection.execute("SELECT id FROM host WHERE name = :name", {"name": name}).fetchone()
    number: int = row[0]
    return number


def _add_rules(connection: sqlite3.Connection, name: str, host: int, rules: Iterable[Rule]) -> None:
    """Add these to what is known of a host, each timer once."""
    known = _rules(connection.execute(_RULES_OF, {"name": name}).fetchall())
    connection.executemany(
        "DELETE FROM rule WHERE host = :host AND kind = :kind AND source = :source"
        " AND seconds = :seconds",
        [_columns(rule, host) for rule in known],
    )
    connection.executemany(
        f"INSERT OR REPLACE INTO rule (host, {_RULE}) VALUES (:host, {_named(_RULE)})",  # noqa: S608 - names of columns
        [_columns(rule, host) for rule in one_each([*known, *rules])],
    )


def _columns(rule: Rule, host: int) -> dict[str, object]:
    return {
        "host": host,
        "kind": rule.kind.name,
        "source": rule.source,
        "seconds": rule.limit,
        "seen_at": rule.seen_at,
        "confirmed": rule.confirmed,
        "plain": rule.plain,
        "drops": rule.drops,
        "outlasted": int(rule.outlasted),
        "told": rule.told,
    }


def _rules(rows: Iterable[Sequence[Any]]) -> list[Rule]:
    """The rules in these rows of `_RULE`, in a fixed order; no kind of a later version, and none
    of which a number is not what it should be: a bit may have changed on the disk."""
    found = [_rule(*row) for row in rows if _is_rule(*row)]
    return sorted(found, key=lambda rule: (rule.kind.name, rule.limit))


def _is_rule(kind: object, source: object, seconds: object, *more: object) -> bool:
    *numbers, outlasted, _ = more
    return (
        kind in KINDS
        and source in SOURCES
        and isinstance(seconds, float)
        and 0 < seconds <= MOST
        and all(isinstance(number, int | float) for number in numbers)
        and outlasted in range(len(RUNGS))
    )


def _rule(kind: str, source: str, seconds: float, seen_at: float, *more: Any) -> Rule:
    confirmed, plain, drops, outlasted, told = more
    return Rule(
        KINDS[kind],
        seconds,
        source,
        seen_at=seen_at,
        confirmed=bool(confirmed),
        plain=bool(plain),
        drops=drops,
        outlasted=RUNGS[outlasted],
        told=told,
    )


def _is_session(
    _id: object, _host: object, started: object, ended: object, _ending: object, *counts: object
) -> bool:
    """Whether each number is one."""
    return all(isinstance(number, int | float) for number in (started, ended, *counts))


def _past_session(row: Sequence[object], stretches: Iterable[Stretch]) -> PastSession:
    names = ("host", *_SESSION.split(", "))
    return PastSession(**dict(zip(names, row[1:], strict=True)), stretches=tuple(stretches))  # type: ignore[arg-type] # SQLite has no types; the columns say what is in them


def _inode(path: str) -> int | None:
    try:
        return os.stat(path).st_ino
    except OSError:
        return None
