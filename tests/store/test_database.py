"""What is remembered survives the crowd, the killer and the damaged disk, or costs one sentence."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from keepshell.core.idle import Stretch
from keepshell.core.rules.kinds import CONFIG, DROP, KINDS, MEASURED, PROBE, Rule
from keepshell.core.rules.rung import Rung
from keepshell.store import database as state_module
from keepshell.store.database import FEW, KEPT_FOR, PastSession, State, StateError
from tests.support.waiting import DEADLINE, eventually

HOST = "me@web:22"


@pytest.fixture
def path() -> Path:
    return Path(os.environ["XDG_STATE_HOME"], "keepshell", "state.db")


def session(host: str = HOST, **known: object) -> PastSession:
    facts: dict[str, object] = {
        "host": host,
        "started": 1000.0,
        "ended": 1900.0,
        "ending": "channel-timeout",
        "status": 255,
        "longest_idle": 850.5,
    }
    return PastSession(**{**facts, **known})  # type: ignore[arg-type]


def rule(kind: str = "channel-timeout", limit: float = 900.0, **known: object) -> Rule:
    return Rule(KINDS[kind], limit, str(known.pop("source", DROP)), **known)  # type: ignore[arg-type]


FULL = rule(
    seen_at=1234.5, confirmed=True, drops=3, outlasted=Rung.NO_OP, told="beaten", source=PROBE
)


def test_nothing_is_known_and_nothing_is_made(state: State, path: Path) -> None:
    assert state.rules(HOST) == []
    assert state.sessions() == []
    assert state.hosts() == []
    assert state.forget(HOST) is None
    assert not path.parent.exists()


def test_a_session_and_its_rule(state: State) -> None:
    past = session(
        window_changes=14,
        no_ops=3,
        empty_lines=2,
        injected=38,
        stretches=(Stretch(10.0, 850.5, 14), Stretch(870.0, 20.0, 1)),
    )
    state.record(past, learned=FULL)
    assert state.sessions() == [past]
    assert past.keepalives == 19
    assert state.rules(HOST) == [FULL]
    assert state.hosts() == [HOST]
    assert state.rules("me@other:22") == []


def test_sessions_by_host_and_time(state: State) -> None:
    first = session(ended=1900.0)
    second = session("me@db:22", started=1500.0, ended=5000.0)
    third = session(started=4000.0, ended=6000.0, stretches=(Stretch(1.0, 2.0, 3),))
    for past in (third, first, second):
        state.record(past)
    assert state.sessions() == [first, second, third]
    assert state.sessions([HOST]) == [first, third]
    assert state.sessions(since=5000.0) == [second, third]
    assert state.sessions([], since=0) == []


def test_only_its_owner_may_read_it(state: State, path: Path) -> None:
    old = os.umask(0)
    try:
        state.record(session())
    finally:
        os.umask(old)
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_what_was_open_to_others_is_closed(state: State, path: Path) -> None:
    state.record(session())
    path.parent.chmod(0o755)
    path.chmod(0o644)
    state.record(session())
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_source_replaces_only_what_it_had_said(state: State) -> None:
    state.put_rules(HOST, PROBE, [rule(source=PROBE), rule("tmout", source=PROBE)])
    state.put_rules(HOST, MEASURED, [rule("connection-idle", 300, source=MEASURED)])
    state.put_rules(HOST, PROBE, [rule("logind", source=PROBE)])
    assert state.rules(HOST) == [
        rule("connection-idle", 300, source=MEASURED),
        rule("logind", source=PROBE),
    ]


def test_several_limits_of_one_kind(state: State) -> None:
    rules = [rule(limit=300, drops=1), rule(limit=900, drops=1), rule("tmout", source=PROBE)]
    for found in rules:
        state.record(session(), learned=found)
    assert sorted(state.rules(HOST), key=str) == sorted(rules, key=str)


def test_what_a_probe_has_read_replaces_what_a_drop_taught(state: State) -> None:
    state.record(session(), learned=rule("connection-idle", 6, drops=1))
    state.record(session(), learned=rule(limit=300, drops=1))
    state.put_rules(HOST, PROBE, [rule("dropbear-idle", 6, source=PROBE)])
    assert state.rules(HOST) == [
        rule(limit=300, drops=1),
        rule("dropbear-idle", 6, source=PROBE, drops=1),
    ]
    state.record(session(), learned=rule("connection-idle", 5, drops=1))
    assert len(state.rules(HOST)) == 2


def test_what_another_session_has_learned_meanwhile_stays(state: State) -> None:
    state.record(session(), learned=rule(confirmed=True, drops=2, seen_at=50.0, told="beaten"))
    state.record(session(), learned=rule(drops=1, seen_at=40.0))
    assert state.rules(HOST) == [rule(confirmed=True, drops=2, seen_at=50.0, told="beaten")]


def test_the_user_was_told(state: State) -> None:
    state.record(session(), learned=rule())
    state.record(session(), told=[rule(told="beaten"), rule("tmout", told="beaten")])
    assert state.rules(HOST) == [rule(told="beaten")]


def test_forgetting(state: State) -> None:
    past = session("me@db:22", stretches=(Stretch(1.0, 2.0, 3),))
    state.record(past, learned=FULL)
    for _ in range(3):
        state.record(session(stretches=(Stretch(1.0, 2.0, 3),)), learned=rule())
    assert state.forget(HOST) == (1, 3)
    assert state.forget(HOST) is None
    assert state.hosts() == ["me@db:22"]
    assert state.sessions() == [past]


def test_a_session_that_was_told_before_it_was_forgotten_brings_nothing_back(state: State) -> None:
    state.record(session(), learned=rule())
    state.forget(HOST)
    state.record(session(), told=[rule(told="beaten")])
    assert state.rules(HOST) == []


def test_old_sessions_go(state: State, path: Path) -> None:
    old, late = session(ended=1000.0, stretches=(Stretch(1.0, 2.0, 3),)), 1001.0 + KEPT_FOR
    state.record(old)
    for _ in range(FEW - 1):
        state.record(session(ended=late))
    assert old in state.sessions()
    state.record(session(ended=late))
    assert state.sessions() == [session(ended=late)] * FEW
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM stretch").fetchone() == (0,)
    connection.close()


def test_a_clock_that_is_wrong_for_a_day_deletes_nothing(state: State) -> None:
    now = session(started=9e8, ended=9e8 + 1)
    state.record(now)
    for wrong in [9e8 + 3 * KEPT_FOR] * (FEW - 1) + [5.0]:
        state.record(session(ended=wrong))
    assert now in state.sessions()


def test_a_session_that_makes_no_sense_is_left_out(state: State, path: Path) -> None:
    state.record(session())
    state.record(session(status=7))
    change(path, "UPDATE session SET longest_idle = 'long' WHERE status = 7")
    assert state.sessions() == [session()]


def test_a_kind_of_a_later_version_is_left_out(state: State, path: Path) -> None:
    state.record(session(), learned=rule())
    change(path, "UPDATE rule SET kind = 'moon-phase'")
    assert state.rules(HOST) == []


def change(path: Path, sql: str) -> None:
    connection = sqlite3.connect(path)
    with connection:
        connection.execute(sql)
    connection.close()


def test_a_later_schema_is_left_alone(state: State, path: Path) -> None:
    state.record(session())
    change(path, "PRAGMA user_version = 1000")
    for use in (lambda: state.rules(HOST), lambda: state.record(session()), state.hosts):
        with pytest.raises(StateError, match="written by a newer keepshell, and left alone"):
            use()
    change(path, f"PRAGMA user_version = {len(state_module._MIGRATIONS)}")
    assert len(state.sessions()) == 1


def test_an_earlier_schema_is_brought_up_to_date(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record(session(), learned=rule())
    later = (*state_module._MIGRATIONS, "CREATE TABLE added (x); UPDATE rule SET drops = 7")
    monkeypatch.setattr(state_module, "_MIGRATIONS", later)
    assert state.rules(HOST) == [rule(drops=7)]
    state.record(session())
    assert len(state.sessions()) == 2


def test_a_migration_that_fails_changes_nothing(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record(session(), learned=rule())
    ours = state_module._MIGRATIONS
    monkeypatch.setattr(state_module, "_MIGRATIONS", (*ours, "UPDATE rule SET drops = 7; NONSENSE"))
    with pytest.raises(StateError, match="syntax error"):
        state.rules(HOST)
    monkeypatch.setattr(state_module, "_MIGRATIONS", ours)
    assert state.rules(HOST) == [rule()]


FIRST = """
    INSERT INTO host VALUES (1, 'me@web:22');
    INSERT INTO rule VALUES (1, 'channel-timeout', 'drop', 900, 5.0, 0, 1, 0, 'beaten no-op');
    INSERT INTO session VALUES (1, 1, 1000, 1900, 'shell-timeout', 255, 850.5, 0, 0, 0, 0);
    PRAGMA user_version = 1;
"""


def test_the_first_schema_is_brought_up_to_date(state: State, path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(state_module._MIGRATIONS[0] + FIRST)
    assert state.rules(HOST) == [rule(seen_at=5.0, drops=1, told="beaten no-op")]
    assert state.sessions() == [session(ending="tmout")]


def test_a_statement_of_ours_that_fails_is_no_damage(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an older SQLite that does not know a clause takes it."""
    state.record(session(), learned=rule())
    monkeypatch.setattr(state_module, "_RULES_OF", "SELECT name FROM host WHERE :name IS NOT A B")
    with pytest.raises(StateError, match="syntax error") as caught:
        state.rules(HOST)
    assert "damaged" not in str(caught.value)
    monkeypatch.undo()
    assert state.rules(HOST) == [rule()]
    assert os.listdir(path.parent) == [path.name]


def test_what_was_set_aside_before_is_still_there(state: State, path: Path) -> None:
    path.parent.mkdir()
    contents = [b"damaged %d\n" % number * 500 for number in range(3)]
    for content in contents:
        path.write_bytes(content)
        with pytest.raises(StateError, match=r"it is state\.db\.damaged\S* now"):
            state.rules(HOST)
    names = ("state.db.damaged", "state.db.damaged.2", "state.db.damaged.3")
    assert [path.with_name(name).read_bytes() for name in names] == contents


def test_a_fifo_in_its_place_keeps_nobody_waiting(state: State, path: Path) -> None:
    path.parent.mkdir()
    os.mkfifo(path)
    for use in (lambda: state.rules(HOST), lambda: state.record(session())):
        with pytest.raises(StateError, match="not a regular file"):
            use()


@pytest.mark.parametrize("content", [b"not a database at all\n" * 500, b"\0" * 5000])
def test_a_file_that_is_no_database_is_set_aside(state: State, path: Path, content: bytes) -> None:
    path.parent.mkdir()
    path.write_bytes(content)
    journal = path.with_name("state.db-journal")
    journal.write_bytes(b"an old journal")
    with pytest.raises(StateError, match=r"damaged .*; it is state\.db\.damaged now, and what was"):
        state.rules(HOST)
    assert state.rules(HOST) == []
    state.record(session())
    assert len(state.sessions()) == 1
    assert path.with_name("state.db.damaged").read_bytes() == content
    assert not journal.exists()


def test_a_database_with_a_hole_in_it(state: State, path: Path) -> None:
    for number in range(200):
        state.record(session(f"me@host{number}:22"), learned=rule())
    data = bytearray(path.read_bytes())
    data[4096:] = os.urandom(len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(StateError, match="damaged"):
        state.record(session())
    state.record(session())
    assert len(state.sessions()) == 1


def test_a_file_that_was_only_begun(state: State, path: Path) -> None:
    path.parent.mkdir()
    path.touch()
    assert state.rules(HOST) == []
    state.record(session())
    assert len(state.sessions()) == 1


DAMAGED = """
    import os
    from keepshell.store.database import State, StateError
    from tests.store.test_database import HOST
    try:
        State.of(os.environ).rules(HOST)
    except StateError as error:
        print(error)
"""


def test_a_damaged_file_that_cant_be_moved(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 500)
    path.parent.chmod(0o500)
    said = run(DAMAGED, *without_privileges())
    path.parent.chmod(0o700)
    assert said == f"{path}: damaged (file is not a database); move it away\n"


def test_somebody_elses_tables(state: State, path: Path) -> None:
    path.parent.mkdir()
    change(path, "CREATE TABLE rule (colour TEXT)")
    change(path, "PRAGMA user_version = 1")
    with pytest.raises(StateError, match=r"damaged \(no such (table|column)"):
        state.rules(HOST)
    assert state.rules(HOST) == []


@pytest.mark.parametrize(
    "changed",
    [
        "seconds = 'abc'",
        "seconds = 9e999",
        "drops = 'many'",
        "confirmed = x'ff'",
        "source = 'a later one'",
        "outlasted = 77",
    ],
)
def test_a_rule_that_makes_no_sense_is_left_out(state: State, path: Path, changed: str) -> None:
    """A bit on the disk, or a later keepshell; the other rules are known, and it can be learned."""
    tmout, tmux = (Rule(KINDS[name], 60.0, PROBE) for name in ("tmout", "tmux-lock"))
    state.put_rules(HOST, PROBE, [tmout, tmux])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA ignore_check_constraints = 1")
        connection.execute(f"UPDATE rule SET {changed} WHERE kind = 'tmout'")
        connection.commit()
    assert state.rules(HOST) == [tmux]
    state.record(session(), learned=tmout)
    assert state.rules(HOST) == [tmout, tmux]


def test_text_that_is_none(state: State, path: Path) -> None:
    state.put_rules(HOST, PROBE, [Rule(KINDS["tmout"], 60.0, PROBE)])
    change(path, "UPDATE rule SET told = CAST(x'ff41' AS TEXT)")
    assert [rule.told for rule in state.rules(HOST)] == ["\ufffdA"]


def test_another_process_has_set_it_aside_meanwhile(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The good file that it has begun stays where it is."""
    path.parent.mkdir()
    path.write_bytes(b"not a database at all" * 500)
    real = state_module._version

    def slow(connection: sqlite3.Connection) -> int:
        try:
            return real(connection)
        except sqlite3.DatabaseError:
            monkeypatch.setattr(state_module, "_version", real)
            path.unlink()
            State(str(path)).record(session())
            raise

    monkeypatch.setattr(state_module, "_version", slow)
    with pytest.raises(StateError, match="damaged"):
        state.rules(HOST)
    assert len(state.sessions()) == 1
    assert not path.with_name("state.db.damaged").exists()


def test_a_directory_in_its_place(state: State, path: Path) -> None:
    path.mkdir(parents=True)
    with pytest.raises(StateError, match="not a regular file"):
        state.rules(HOST)
    with pytest.raises(StateError, match="directory"):
        state.record(session())


def test_a_file_where_a_directory_should_be(path: Path, state: State) -> None:
    path.parent.write_text("in the way")
    assert state.rules(HOST) == []
    with pytest.raises(StateError, match=r"File exists|Not a directory"):
        state.record(session())


def test_no_place_for_it() -> None:
    with pytest.raises(StateError, match="neither XDG_STATE_HOME nor HOME is a path"):
        State.of({"HOME": "relative", "XDG_STATE_HOME": "relative"})


def test_it_is_below_home_by_default(tmp_path: Path) -> None:
    State.of({"HOME": str(tmp_path)}).record(session())
    assert (tmp_path / ".local/state/keepshell/state.db").exists()


def test_a_lock_costs_a_moment_and_a_sentence(
    state: State, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state.record(session(), learned=rule())
    monkeypatch.setattr(state_module, "WRITE_WITHIN", 0.1)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("BEGIN EXCLUSIVE")
    for use in (lambda: state.rules(HOST, within=0.1), lambda: state.record(session())):
        with pytest.raises(StateError, match="database is locked"):
            use()
    connection.close()
    assert state.rules(HOST) == [rule()]
    assert len(state.sessions()) == 1


READ_ONLY = """
    import os
    from keepshell.store.database import State, StateError
    from tests.store.test_database import HOST, rule, session
    state = State.of(os.environ)
    assert state.rules(HOST) == [rule()]
    try:
        state.record(session())
    except StateError as error:
        print(error)
"""


def without_privileges(*argv: str) -> list[str]:
    """The command line that runs `argv` bound by the modes of files, even as root."""
    if os.geteuid() != 0:
        return list(argv)
    capabilities = "-dac_override,-dac_read_search,-fowner"
    return ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", *argv]


def run(script: str, *prefix: str) -> str:
    done = subprocess.run(
        [*prefix, sys.executable, "-c", textwrap.dedent(script)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def read_only(state: State, path: Path) -> Iterator[Path]:
    state.record(session(), learned=rule())
    path.chmod(0o400)
    path.parent.chmod(0o500)
    yield path
    path.parent.chmod(0o700)


def test_read_only_it_can_be_read(read_only: Path) -> None:
    said = run(READ_ONLY, *without_privileges())
    assert said == f"{read_only}: Permission denied\n"


FULL_DISK = """
    import os
    from keepshell.store.database import State, StateError
    from tests.store.test_database import HOST, rule, session
    state = State.of(os.environ)
    try:
        state.record(session("me@another:22"))
    except StateError as error:
        print(error)
    assert state.rules(HOST) == [rule()]
    assert len(state.sessions()) == 1
"""


def test_where_no_byte_can_be_written(state: State, path: Path) -> None:
    """RLIMIT_FSIZE: the same as a full disk to whoever writes."""
    state.record(session(), learned=rule())
    said = run(FULL_DISK, "prlimit", "--fsize=0")
    assert said.startswith(f"{path}: ")
    assert said.count("\n") == 1
    state.record(session())
    assert len(state.sessions()) == 2


def test_a_full_database(state: State, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLITE_FULL, as a full disk gives."""
    state.record(session(), learned=rule())
    real = sqlite3.connect

    def small(*arguments: object, **options: object) -> sqlite3.Connection:
        connection: sqlite3.Connection = real(*arguments, **options)  # type: ignore[call-overload]
        connection.execute("PRAGMA max_page_count = 1")  # no page more than there are
        return connection

    many = tuple(Stretch(float(number), 60.0, 1) for number in range(5000))
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(StateError, match="full"):
        state.record(session(stretches=many))
    monkeypatch.setattr(sqlite3, "connect", real)
    assert state.rules(HOST) == [rule()]
    assert len(state.sessions()) == 1


ENDING = """
    import os, sys
    from keepshell.store.database import State
    from tests.store.test_database import rule, session
    number = int(sys.stdin.readline())
    State.of(os.environ).record(session(f"me@host{number % 5}:22"), learned=rule(drops=1))
"""


def test_fifty_sessions_that_end_at_once(state: State) -> None:
    """All are started first, and then let go together."""
    waiting = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(ENDING)],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
        )
        for _ in range(50)
    ]
    for number, process in enumerate(waiting):
        assert process.stdin is not None
        process.stdin.write(b"%d\n" % number)
        process.stdin.close()
    assert [process.wait(3 * DEADLINE) for process in waiting] == [0] * 50
    assert len(state.sessions()) == 50
    assert len(state.hosts()) == 5
    for host in state.hosts():
        assert state.rules(host) == [rule(drops=1)]


IN_MID_WRITE = """
    import os, signal
    from keepshell.core.idle import Stretch
    from keepshell.store.database import State
    from tests.store.test_database import session
    def stretches():
        for number in range(2_000):  # many pages, where the cache holds ten
            if number == 1_000:
                open(os.environ["MARK"], "w").close()
                signal.pause()
            yield (1, float(number), 60.0, 1)
    import sqlite3
    class Slow(sqlite3.Connection):
        def executemany(self, sql, rows):
            self.execute("PRAGMA cache_size = 10")
            return super().executemany(sql, stretches() if "stretch" in sql else rows)
    real = sqlite3.connect
    sqlite3.connect = lambda *a, **k: real(*a, **k, factory=Slow)
    State.of(os.environ).record(session(stretches=(Stretch(0, 60, 1),)))
"""


def test_kill_9_in_the_middle_of_a_write(
    state: State, path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    past = session(stretches=(Stretch(1.0, 2.0, 3),))
    state.record(past, learned=rule())
    before = path.read_bytes()
    mark = tmp_path / "mark"
    monkeypatch.setenv("MARK", str(mark))
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(IN_MID_WRITE)], cwd=Path(__file__).parents[2]
    )
    eventually(mark.exists, "the middle of the write")
    process.send_signal(signal.SIGKILL)
    assert process.wait(DEADLINE) == -signal.SIGKILL
    assert path.read_bytes() != before, "the write had not reached the file"
    assert path.with_name("state.db-journal").stat().st_size > 0
    assert state.rules(HOST) == [rule()]
    assert state.sessions() == [past]
    state.record(past)
    assert len(state.sessions()) == 2


def test_a_stated_rule_is_not_stored_by_sessions(state: State) -> None:
    """`learn` never answers with one; what is written is what was given."""
    state.record(session(), learned=rule(source=CONFIG))
    assert state.rules(HOST)[0].source == CONFIG


def test_reading_costs_no_start_up_time(state: State) -> None:
    for number in range(200):
        state.record(session(f"me@host{number}:22", started=float(number)), learned=rule())
    best = 1.0
    for _ in range(20):
        began = time.perf_counter()
        state.rules("me@host100:22")
        best = min(best, time.perf_counter() - began)
    assert best < 0.005


def test_a_host_that_answers_window_changes_is_remembered_until_it_is_forgotten(
    state: State,
) -> None:
    assert not state.shows_window_changes(HOST)
    state.record(session())
    assert not state.shows_window_changes(HOST)
    state.record(session(shows_window_changes=True))
    state.record(session())
    assert state.shows_window_changes(HOST)
    assert not state.shows_window_changes("me@other:22")
    state.forget(HOST)
    assert not state.shows_window_changes(HOST)
