"""A kept shell, with a host of a few lines: what is shown, held, sent and drawn."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field

import pytest

from keepshell.core.effects import (
    Abandon,
    Answer,
    Ask,
    Disconnect,
    Effect,
    LinkChanged,
    Look,
    Nudge,
    Phase,
    Resize,
    Shell,
    Suspend,
    TakeOver,
    ToAttempt,
    ToHost,
    ToUser,
    Try,
)
from keepshell.core.ending.endings import Kind, classify
from keepshell.core.kept.session import KeptSession
from keepshell.core.link import words
from keepshell.core.link.header import Kept
from keepshell.core.link.recovery import Failure, State
from keepshell.core.link.silence import Sample
from keepshell.core.rules.policy import Policy
from keepshell.core.rules.rung import Rung
from tests.support.screen import Screen

START = 1000.0
MARKER = b"311973482284542371301330321821976049\n"
NO_ENGINE = b"62773913\r\n"
SILENT = Sample(1, 3, 0.05, 100.0)


@dataclass
class Host:
    """Keeps one shell, as the holder does."""

    output: bytes = b""
    input: bytes = b""
    machine: str = "m1"
    boot: str = "b1"
    gone: bool = False
    status: str = ""
    old: int = 0
    requests: list[dict[str, str]] = field(default_factory=list)

    def header(self, request: bytes) -> bytes:
        fields = dict(word.split("=", 1) for word in request.decode().split() if "=" in word)
        self.requests.append(fields)
        ids = f"machine={self.machine} boot={self.boot}"
        if self.gone:
            return f"KEEPSHELL-LINK 1 gone {ids} status={self.status}\n".encode()
        out = int(fields.get("have", "0"))
        word = "new" if fields["op"] == "new" else "attached"
        counts = f"in={len(self.input)} out={out} old={self.old}"
        line = f"KEEPSHELL-LINK 1 {word} engine=python {ids} {counts}\n"
        return line.encode() + self.output[out:]


class World:
    """The session with its edge: performs what it asks for, at once."""

    def __init__(
        self,
        *,
        escape_char: int | None = 0x7E,
        exists: bool = False,
        command: str | None = None,
        shows_words: bool = True,
    ) -> None:
        self.host = Host()
        self.now = START
        self.kept = Kept("ab", "web", "laptop", 3600.0, exists, command)
        policy = Policy(rung=Rung.WINDOW_CHANGE, window_change_interval=60.0)
        self.session = KeptSession(
            policy,
            START,
            self.kept,
            lambda: 0.5,
            escape_char=escape_char,
            shows_words=shows_words,
        )
        self.shown = b""
        self.effects: list[Effect] = []
        self.delivers = True
        """Whether what goes to the host arrives."""
        self.sample: Sample | None = None
        self.attempts: list[bool] = []
        self.attempt_input = b""
        self.reads = 0
        """Bytes of the shell's output that the connection has delivered."""

    def do(self, effects: list[Effect]) -> World:
        self.effects += effects
        for effect in effects:
            if isinstance(effect, ToUser):
                self.shown += effect.data
            elif isinstance(effect, ToHost) and self.delivers:
                self.host.input += effect.data
            elif isinstance(effect, ToAttempt):
                self.attempt_input += effect.data
            elif isinstance(effect, Try):
                self.attempts.append(effect.attended)
            elif isinstance(effect, Look):
                self.do(self.session.looked(self.sample, self.now))
        return self

    def count(self, kind: type) -> int:
        return sum(isinstance(effect, kind) for effect in self.effects)

    def open(self) -> World:
        self.session.begin(self.now)
        if self.kept.command is None:
            self.answered(self.session.host_output(MARKER, self.now), attempt=False)
        self.reads = len(self.host.output)
        return self

    def open_plain(self, marker: bytes) -> World:
        self.session.begin(self.now)
        return self.do(self.session.host_output(marker, self.now))

    def answered(self, effects: list[Effect], *, attempt: bool) -> None:
        self.do(effects)
        for effect in effects:
            if isinstance(effect, Answer):
                assert effect.to_attempt is attempt
                line = self.host.header(effect.request)
                take = self.session.attempt_output if attempt else self.session.host_output
                self.do(take(line, self.now))

    def prints(self, data: bytes) -> World:
        """The shell prints, and the connection delivers."""
        self.host.output += data
        self.reads = len(self.host.output)
        return self.do(self.session.host_output(data, self.now))

    def type(self, data: bytes) -> World:
        return self.do(self.session.user_input(data, self.now))

    def wait(self, seconds: float) -> World:
        end = self.now + seconds
        for _ in range(2000):
            deadline = self.session.next_deadline()
            if deadline is None or deadline > end:
                break
            self.now = max(self.now, deadline)
            self.do(self.session.tick(self.now, Phase.IN_SESSION))
        self.now = end
        return self

    def silent(self) -> World:
        """The user types a key that is never acknowledged."""
        self.delivers, self.sample = False, SILENT
        self.type(b"x")
        return self.wait(1.5)

    def lose(self) -> World:
        self.delivers = False
        effects = self.session.outlived(self.now, exit_status=255, signal=None)
        assert effects
        return self.do(effects)

    def reattach(self) -> World:
        self.delivers, self.sample = True, None
        self.answered(self.session.attempt_output(MARKER, self.now), attempt=True)
        self.reads = len(self.host.output)
        return self

    @property
    def screen(self) -> Screen:
        screen = Screen(24, 80)
        screen.feed(self.shown)
        return screen


@pytest.fixture
def world() -> World:
    return World().open()


class TestTheOpening:
    def test_it_asks_for_a_new_shell(self, world: World) -> None:
        (request,) = world.host.requests
        assert request["op"] == "new"
        assert (request["id"], request["keep"], request["from"]) == ("ab", "3600", "laptop")
        assert world.session.shell is Shell.KEPT
        assert world.shown == b""
        assert not world.session.verbatim

    def test_it_asks_for_one_that_exists_and_shows_the_last_of_it(self) -> None:
        world = World(exists=True)
        world.host.output = b"last line\r\n$ "
        world.open()
        assert world.host.requests[0]["op"] == "attach"
        assert world.host.requests[0]["tail"] == "65536"
        assert world.shown == b"last line\r\n$ "

    def test_one_that_is_gone_says_so(self) -> None:
        world = World(exists=True)
        world.host.gone, world.host.status = True, "3"
        world.open()
        assert world.session.parting == "The shell has ended (status 3)."
        assert world.session.shell is Shell.PLAIN
        world.session.conclude()
        assert world.session.unsaid() == b""

    def test_keys_wait_for_the_shell_in_their_order(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.type(b"a").type(b"b\r")
        assert world.host.input == b""
        world.open()
        assert world.host.input == b"ab\r"

    def test_an_answer_to_ssh_goes_to_ssh_and_has_no_escapes(self) -> None:
        world = World()
        world.do(world.session.host_output(b"password: ", world.now)).type(b"~.secret\r")
        assert world.host.input == b"~.secret\r"
        assert world.open().session.shell is Shell.KEPT

    def test_without_an_engine_it_is_a_plain_shell(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.type(b"ls\r")
        world.do(world.session.host_output(b"motd\r\n" + NO_ENGINE + b"$ ", world.now))
        assert world.shown == b"motd\r\n$ keepshell: " + words.NO_ENGINE.encode() + b"\r\n"
        assert world.host.input == b"ls\r"
        assert world.session.shell is Shell.PLAIN
        world.do(world.session.host_output(b"more", world.now)).type(b"x")
        assert world.shown.endswith(b"more")
        assert world.host.input == b"ls\rx"
        assert world.session.outlived(world.now, exit_status=255, signal=None) == []
        assert world.session.network(world.now, address_gone=True, route=True, came_up=True) == []
        assert world.session.resumed(world.now) == []
        world.sample = SILENT
        world.wait(2.0)
        assert world.session.silent_since is not None
        world.do(world.session.host_output(b"y", world.now))
        assert world.session.silent_since is None

    def test_a_host_that_will_kill_it_says_so_before(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.do(world.session.host_output(MARKER, world.now))
        line = b"KEEPSHELL-LINK 1 new in=0 out=0 life=drop\n$ "
        world.do(world.session.host_output(line, world.now))
        assert world.shown == b"keepshell: " + words.KILLED_WITH_SESSION.encode() + b"\r\n$ "

    def test_a_host_that_fails_says_why(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.do(world.session.host_output(MARKER, world.now))
        line = b"KEEPSHELL-LINK 1 failed why=no%20place\n$ "
        world.do(world.session.host_output(line, world.now))
        assert world.shown == b"keepshell: this shell is not kept: no place\r\n$ "

    def test_a_host_that_goes_its_own_way_gets_the_keys_in_the_end(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.type(b"x")
        world.do(world.session.host_output(b"fish> 3119", world.now))
        world.wait(10.0)
        assert world.shown.startswith(b"fish> keepshell: this shell is not kept")
        assert world.shown.endswith(b"3119")
        assert world.host.input == b"x"

    def test_a_host_that_falls_silent_after_the_marker_is_left(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.do(world.session.host_output(MARKER, world.now)).wait(10.0)
        assert world.count(Disconnect) == 1
        assert world.session.parting == words.NO_HEADER

    def test_a_host_that_ends_it_refuses(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.do(world.session.host_output(b"exec: restricted\r\n", world.now))
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now))
        world.session.conclude()
        assert world.session.shell is Shell.REFUSED
        assert world.session.unsaid() == b"Connection to web closed.\r\n"


class TestSshsOwnWords:
    def test_before_the_session_they_are_shown_at_once(self) -> None:
        world = World()
        world.do(world.session.ssh_said(b"Banner\nof the host\r\n", world.now))
        assert world.shown == b"Banner\r\nof the host\r\n"

    def test_in_the_session_they_wait_a_moment(self, world: World) -> None:
        world.do(world.session.ssh_said(b"channel 3: open failed\r\n", world.now))
        world.do(world.session.ssh_said(b"again\r\n", world.now))
        assert world.shown == b""
        world.wait(0.2)
        assert world.shown == b"channel 3: open failed\r\nagain\r\n"

    def test_those_of_a_lost_connection_are_not_for_the_screen(self, world: World) -> None:
        said = b"client_loop: send disconnect: Broken pipe\r\n"
        world.do(world.session.ssh_said(said, world.now)).lose().wait(1)
        assert said not in world.shown

    def test_nor_what_the_old_one_says_below_the_page(self, world: World) -> None:
        world.silent().type(b"k")
        before = world.shown
        world.do(world.session.ssh_said(b"words\r\n", world.now)).wait(0.3)
        assert b"words" not in world.shown[len(before) :]

    def test_nor_what_it_says_as_the_new_one_takes_the_shell(self, world: World) -> None:
        """However long the host's word of it takes, and however soon the page is gone."""
        world.silent()
        [answer] = world.session.attempt_output(MARKER, world.now)
        assert isinstance(answer, Answer)
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now)).wait(1)
        header = world.host.header(answer.request)
        world.do(world.session.attempt_output(header, world.now)).wait(1)
        assert world.count(TakeOver) == 1
        assert b"closed" not in world.shown

    def test_the_last_ones_of_a_good_end(self, world: World) -> None:
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now))
        assert world.session.outlived(world.now, exit_status=0, signal=None) == []
        world.session.conclude()
        assert world.session.unsaid() == b"Connection to web closed.\r\n"
        assert world.session.shell is Shell.ENDED


class TestEscapes:
    @pytest.mark.parametrize(
        ("typed", "sent"),
        [
            (b"~~x", b"~x"),
            (b"~x", b"~x"),
            (b"a~.", b"a~."),
            (b"ls\r~~\r", b"ls\r~\r"),
            (b"\r\n~~", b"\r\n~"),
            (b"~?", b""),
            (b"~#\r", b"\r"),
        ],
    )
    def test_what_the_host_gets(self, world: World, typed: bytes, sent: bytes) -> None:
        world.type(typed)
        assert world.host.input == sent

    @pytest.mark.parametrize("typed", [b"~~x", b"ls\r~~\r", b"\r~x~~"])
    def test_any_cut_is_the_same(self, typed: bytes) -> None:
        whole = World().open().type(typed).host.input
        pieces = World().open()
        for code in typed:
            pieces.type(bytes((code,)))
        assert pieces.host.input == whole

    def test_help_and_what_there_is_not(self, world: World) -> None:
        world.type(b"~?")
        assert world.shown.startswith(b"~?\r\nSupported escape sequences:\r\n ~.   - leave")
        world.type(b"~#")
        assert b"Not with the setting reattach" in world.shown

    def test_leaving(self, world: World) -> None:
        world.type(b"x\r~.")
        assert world.count(Disconnect) == 1
        assert world.session.parting == (
            "The shell on web goes on for 60m; back into it: keepshell attach web"
        )
        assert world.session.outlived(world.now, exit_status=255, signal=None) == []
        world.session.conclude()
        assert world.session.shell is Shell.LEFT

    def test_leaving_a_plain_shell_leaves_nothing(self) -> None:
        world = World()
        world.session.begin(world.now)
        world.do(world.session.host_output(NO_ENGINE, world.now)).type(b"~.")
        assert (world.count(Disconnect), world.session.parting) == (1, "")

    def test_suspending(self, world: World) -> None:
        world.type(b"~\x1a")
        assert world.count(Suspend) == 1

    def test_none(self) -> None:
        world = World(escape_char=None).open().type(b"~.~?~~")
        assert world.host.input == b"~.~?~~"


class TestAway:
    def test_nothing_is_drawn_over_the_screen_but_the_title(self, world: World) -> None:
        world.prints(b"$ ").silent()
        assert world.session.recovery.state is State.SEARCH
        assert world.attempts == [False]
        assert world.screen.text.strip() == "$"
        assert world.screen.title == "web: no answer for 2s"
        world.wait(60)
        assert world.screen.title == "web: no answer for 60s"

    def test_a_key_opens_the_page_and_is_held(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"ls")
        assert world.screen.alternate
        assert "Held until you say so: 2 keys." in world.screen.text
        assert "A new connection is being tried." in world.screen.text
        assert world.host.input == b""

    def test_the_last_attempts_words_are_on_the_page(self, world: World) -> None:
        world.silent()
        world.do(world.session.attempt_ended("ssh: No route to host", world.now)).type(b"l")
        assert "The last attempt: ssh: No route to host" in world.screen.text
        assert "The next attempt is in 1s." in world.screen.text

    def test_no_network(self, world: World) -> None:
        change = {"address_gone": True, "route": False, "came_up": False}
        world.do(world.session.network(world.now, **change)).type(b"l")
        assert "There is no network" in world.screen.text
        assert world.attempts == []
        back = {"address_gone": False, "route": True, "came_up": True}
        world.do(world.session.network(world.now, **back)).wait(0)
        assert world.attempts == [False]

    def test_the_new_connection_asks_about_the_keys(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"ls").reattach()
        assert world.count(TakeOver) == 1
        assert world.session.asking
        assert "web is back." in world.screen.text
        assert "Before it was lost: the last key did not arrive." in world.screen.text
        world.type(b"\x1b[?62;c").type(b"z")  # no answer to the question
        assert world.session.asking
        world.type(b"\r")
        assert world.host.input == b"ls"
        assert not world.session.asking
        assert not world.screen.alternate
        assert world.screen.text.strip() == "$"
        assert world.shown.endswith(b"\x1b[23;0t")

    def test_forgotten_keys_are_never_sent(self, world: World) -> None:
        world.silent().type(b"rm -rf x").reattach().type(b"\x1b")
        assert not world.session.asking
        assert world.host.input == b""

    def test_without_held_keys_nothing_is_asked(self, world: World) -> None:
        world.prints(b"$ ").silent()
        world.host.output += b"news\r\n$ "
        world.reattach()
        assert not world.session.asking
        assert world.screen.text.split() == ["$", "news", "$"]
        assert world.screen.title == "web: the last key did not arrive"
        world.type(b"y")
        assert world.shown.endswith(b"\x1b[23;0t")

    def test_what_the_shell_said_meanwhile_comes_after_the_question(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"l")
        world.host.output += b"news\r\n"
        world.reattach()
        assert b"news" not in world.shown
        world.type(b"\x1b")
        assert world.shown.count(b"news") == 1

    def test_the_old_connection_answers_below_the_page(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"l")
        world.prints(b"late")
        assert world.session.asking
        assert b"late" not in world.shown
        assert world.count(Abandon) == 1
        world.type(b"\r")
        assert world.screen.text.strip() == "$ late"

    def test_the_old_connection_answers_by_an_acknowledgement(self, world: World) -> None:
        world.prints(b"$ ").silent()
        world.sample = Sample(0, 0, 0.05, 0.0)
        world.wait(2)
        assert world.session.recovery.state is State.LIVE
        assert world.shown.endswith(b"\x1b[23;0t")

    def test_old_output_after_the_request_is_not_doubled(self, world: World) -> None:
        """The old one wakes between our word of what we have and the host's header."""
        world.prints(b"$ ").silent()
        effects = world.session.attempt_output(MARKER, world.now)
        world.do(effects)
        world.prints(b"woke up ")
        (ask,) = [effect for effect in effects if isinstance(effect, Answer)]
        world.host.output += b"and went on"
        world.do(world.session.attempt_output(world.host.header(ask.request), world.now))
        assert world.screen.text.strip() == "$ woke up and went on"

    def test_below_the_page_it_is_not_doubled_either(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"k")
        effects = world.session.attempt_output(MARKER, world.now)
        world.do(effects)
        world.prints(b"woke up ")
        (ask,) = [effect for effect in effects if isinstance(effect, Answer)]
        world.host.output += b"and went on"
        world.do(world.session.attempt_output(world.host.header(ask.request), world.now))
        world.type(b"\x1b")
        assert world.screen.text.strip() == "$ woke up and went on"

    def test_queries_that_nobody_waits_for_are_dropped(self, world: World) -> None:
        world.prints(b"$ ").silent()
        world.host.output += b"old\x1b[c\x1b[6n!"
        world.host.old = len(world.host.output)
        world.reattach()
        assert b"\x1b[c" not in world.shown
        assert world.screen.text.strip() == "$ old!"
        world.prints(b"\x1b[c")
        assert world.shown.endswith(b"\x1b[c")

    def test_nor_those_that_come_later_among_the_old(self, world: World) -> None:
        world.prints(b"$ ").silent()
        late = b"\x1b[6n!\x1b[c"
        world.host.output += b"old"
        world.host.old = len(world.host.output + late) - len(b"\x1b[c")
        world.reattach().prints(late)
        assert b"\x1b[6n" not in world.shown
        assert world.shown.endswith(b"!\x1b[c")

    def test_a_program_on_the_alternate_screen_draws_itself_anew(self, world: World) -> None:
        world.prints(b"\x1b[?1049hvim").silent().type(b"k")
        assert "Held" in world.screen.text
        world.reattach().type(b"\x1b").wait(1)
        assert [e.fewer for e in world.effects if isinstance(e, Resize)] == [1, 0]
        assert world.screen.alternate

    @pytest.mark.parametrize("last", [b"\x1b7here", b"\x1b[s", b"\x1b[1;3"])
    def test_no_page_where_it_could_not_be_taken_back(self, world: World, last: bytes) -> None:
        world.prints(last).silent().type(b"k")
        assert not world.screen.alternate
        assert b"1049" not in world.shown
        world.reattach()
        assert world.host.input == b""
        assert not world.session.asking

    def test_keys_held_without_a_page_are_asked_about_at_the_next_one(self, world: World) -> None:
        """Nobody was asked, so they are not sent."""
        world.prints(b"\x1b7").silent().type(b"k").reattach().type(b"y")
        assert world.host.input == b"y"

    def test_too_many_keys(self, world: World) -> None:
        world.silent().type(b"x" * 4096).type(b"yy")
        assert "4096 keys (and 2 keys were too many)" in world.screen.text

    def test_enter_tries_now_and_leaving_leaves(self, world: World) -> None:
        world.silent()
        world.do(world.session.attempt_ended("no", world.now)).type(b"\r")
        assert world.attempts == [False, False]
        world.type(b"~").type(b".")
        assert world.session.over
        assert world.count(Disconnect) == 1
        assert not world.screen.alternate
        assert world.session.next_deadline() is not None  # the plain timers, until ssh has ended
        world.session.conclude()
        assert world.session.shell is Shell.LEFT

    def test_suspended_on_the_page(self, world: World) -> None:
        world.silent().type(b"k").type(b"\r").type(b"~\x1a")
        assert world.count(Suspend) == 1
        assert not world.screen.alternate

    @pytest.mark.parametrize(
        "typed",
        [[b"~."], [b"~", b"."], [b"\r~."], [b"k", b"\r~."], [b"k", b"~."], [b"ls", b"~", b"."]],
    )
    def test_leaving_however_it_was_read(self, world: World, typed: list[bytes]) -> None:
        world.silent()
        for data in typed:
            world.type(data)
        assert world.session.over

    @pytest.mark.parametrize("trying", [False, True])
    def test_who_leaves_was_not_cut_off(self, world: World, *, trying: bool) -> None:
        """However long nothing was typed before: that teaches no rule of the host."""
        world.wait(900).lose().wait(0)
        if not trying:
            refusal = "Host key verification failed."
            world.do(world.session.attempt_ended(refusal, world.now))
        world.type(b"~.")
        evidence = world.session.evidence(world.now, exit_status=255, signal=None)
        assert classify(evidence).kind is Kind.ESCAPE_QUIT

    def test_without_an_escape_character_nothing_leaves(self) -> None:
        world = World(escape_char=None).open().silent().type(b"\r~.")
        assert not world.session.over

    def test_a_paste_with_an_escape_in_it_is_a_paste(self, world: World) -> None:
        world.silent().type(b"k").type(b"ls\r~.").type(b"~.x")
        assert not world.session.over
        assert "Held until you say so: 9 keys." in world.screen.text

    def test_the_escape_character_typed_twice_is_text(self, world: World) -> None:
        world.silent().type(b"~").type(b"~").type(b".")
        assert not world.session.over

    @pytest.mark.parametrize("typed", [[b"~?"], [b"~", b"?"]])
    def test_the_help_is_the_page_itself(self, world: World, typed: list[bytes]) -> None:
        world.silent().type(b"k")
        for data in typed:
            world.type(data)
        assert "1 key." in world.screen.text
        assert "Enter  try now" in world.screen.text
        world.reattach().type(b"~?")
        assert world.session.asking
        world.type(b"\r")
        assert world.host.input == b"k"

    def test_a_terminal_without_the_alternate_screen(self, world: World) -> None:
        """The page could not be taken back: the title tells, and the keys are held all the same."""
        world.session.view.has_page = False
        world.prints(b"$ ").silent().type(b"ls\r")
        assert world.screen.text.strip() == "$"
        assert world.screen.title == "web: no answer for 2s"
        world.reattach()
        assert world.host.input == b""

    def test_a_terminal_that_takes_no_title_either(self, world: World) -> None:
        world.session.view.has_page = world.session.view.has_title = False
        world.prints(b"$ ").silent().type(b"ls").reattach().type(b"x")
        assert world.shown == b"$ "
        assert world.host.input == b"x"

    def test_lost_while_it_asks(self, world: World) -> None:
        world.prints(b"$ ").silent().type(b"k").reattach()
        world.lose()
        assert not world.session.asking
        world.type(b"\r")
        assert world.host.input == b""
        world.reattach().type(b"\r")
        assert world.host.input == b"k"

    def test_no_keepalive_goes_into_a_lost_connection(self, world: World) -> None:
        world.lose()
        nudges = world.count(Nudge)
        world.wait(300)
        assert world.count(Nudge) == nudges


class TestAttempts:
    def test_a_refusal_is_left_to_the_user(self, world: World) -> None:
        world.lose().wait(0)
        refusal = "me@web: Permission denied (publickey)."
        world.do(world.session.attempt_ended(refusal, world.now)).type(b"k")
        assert "The login needs you: press Enter to log in." in world.screen.text
        assert world.screen.title == "web: away for less than 1s; Enter logs in"
        world.wait(600)
        assert world.attempts == [False]
        world.type(b"\r")
        assert world.attempts == [False, True]
        assert world.session.attended
        world.do(world.session.attempt_said(b"Banner\n"))
        world.do(world.session.attempt_output(b"password: ", world.now))
        world.type(b"secret\r").wait(3)
        assert world.attempt_input == b"secret\r"
        assert "Banner" in world.screen.text
        world.reattach()
        assert world.session.asking  # k

    def test_an_attended_login_that_fails_comes_back_to_the_page(self, world: World) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_ended("Host key verification failed.", world.now))
        world.type(b"k").type(b"\r")
        world.do(world.session.attempt_ended("Permission denied", world.now))
        assert "The last attempt: Permission denied" in world.screen.text
        assert not world.session.attended

    @pytest.mark.parametrize("shows_words", [True, False])
    def test_what_ssh_said_at_the_login_stays_on_the_page(self, *, shows_words: bool) -> None:
        world = World(shows_words=shows_words).open().lose().wait(0)
        refusal = "Host key verification failed."
        world.do(world.session.attempt_ended(refusal, world.now)).type(b"\r")
        world.do(world.session.attempt_said(b"@@@\r\nIT IS POSSIBLE THAT\r\n\r\n"))
        world.do(world.session.attempt_said(b"Host key verification failed.\r\n"))
        world.do(world.session.attempt_ended(refusal, world.now)).wait(5)
        whole = "The last attempt:\n@@@\nIT IS POSSIBLE THAT\nHost key verification failed.\n"
        one = f"The last attempt: {refusal}\n"
        assert (whole if shows_words else one) in world.screen.text
        world.do(world.session.attempt_ended("no", world.now)).wait(1)
        assert "The last attempt: no\n" in world.screen.text

    @pytest.mark.parametrize(
        ("typed", "said", "attempts"),
        [
            (b"", b"Banner\n", [False, True, False]),
            (b"\x1b[I", b"", [False, True, False]),  # the window has the focus
            (b"secret\r", b"", [False, True]),
            (b"", b"Confirm user presence for key ED25519-SK x\n", [False, True]),
        ],
    )
    def test_a_login_that_asked_nobody_needs_nobody_the_next_time(
        self, world: World, typed: bytes, said: bytes, attempts: list[bool]
    ) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_ended("Host key verification failed.", world.now))
        world.type(b"\r")
        world.do(world.session.attempt_said(said))
        if typed:
            world.type(typed)
        world.reattach().lose().wait(0)
        assert world.attempts == attempts

    def test_a_changed_host_key(self, world: World) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_ended("Host key verification failed.", world.now))
        world.type(b"k")
        assert "The host's key has changed" in world.screen.text

    def test_the_host_shows_itself_again(self, world: World) -> None:
        world.lose().wait(0)
        assert world.session.reachable(world.now) == []  # answered, as ever: no news
        world.wait(1.2)
        world.do(world.session.reachable(world.now))
        assert world.attempts == [False, False]
        assert world.count(Abandon) == 1
        assert world.count(Ask) == 3

    def test_who_must_log_in_is_told_that_the_host_is_there(self, world: World) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_ended("Permission denied", world.now)).wait(2)
        world.do(world.session.reachable(world.now)).wait(1)
        assert world.screen.title == "web: reachable again; Enter logs in"
        assert world.attempts == [False]

    def test_a_sleep_changes_nothing_while_one_is_tried(self, world: World) -> None:
        assert world.lose().wait(0).session.resumed(world.now) == []

    def test_echo_requests_end_with_the_absence(self, world: World) -> None:
        world.silent().reattach().wait(30)
        asked = world.count(Ask)
        world.wait(50)
        assert world.count(Ask) == asked

    def test_an_attempt_that_takes_too_long(self, world: World) -> None:
        world.lose().wait(31)
        assert world.count(Abandon) == 1
        world.type(b"k")
        assert words.TOO_LATE in world.screen.text

    def test_a_host_that_lost_its_engine(self, world: World) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_output(NO_ENGINE, world.now)).type(b"k")
        assert words.NO_ENGINE.split(":")[0] in world.screen.text.replace("\n", "")
        assert world.session.recovery.state is State.SEARCH

    @pytest.mark.parametrize(
        ("boot", "status", "sentence"),
        [
            ("b1", "", "The shell has ended."),
            ("b1", "7", "The shell has ended (status 7)."),
            ("b2", "", "The shell is gone: the host was restarted."),
        ],
    )
    def test_a_shell_that_is_gone(
        self, world: World, boot: str, status: str, sentence: str
    ) -> None:
        world.silent().type(b"k")
        world.host.gone, world.host.boot, world.host.status = True, boot, status
        world.reattach()
        assert world.session.parting == sentence
        assert world.session.over
        assert world.count(Disconnect) == 1
        assert not world.screen.alternate
        world.session.conclude()
        assert world.session.shell is Shell.ENDED

    def test_another_machine_is_not_the_end(self, world: World) -> None:
        world.lose().wait(0)
        world.host.gone, world.host.machine = True, "m2"
        world.reattach().type(b"k")
        assert words.OTHER_MACHINE in world.screen.text
        assert world.session.recovery.failure is Failure.NETWORK

    def test_a_host_that_fails_is_tried_again(self, world: World) -> None:
        world.lose().wait(0)
        world.do(world.session.attempt_output(MARKER, world.now))
        line = b"KEEPSHELL-LINK 1 failed why=full\n"
        world.do(world.session.attempt_output(line, world.now)).type(b"k")
        assert "The last attempt: full" in world.screen.text

    def test_output_that_the_host_could_not_keep(self, world: World) -> None:
        world.prints(b"$ ").lose().wait(0)
        world.do(world.session.attempt_output(MARKER, world.now))
        line = b"KEEPSHELL-LINK 1 attached in=0 out=102\nrest"
        world.do(world.session.attempt_output(line, world.now))
        assert world.screen.title == "web: 100 bytes of output were too many to keep"
        assert world.screen.text.strip() == "$ rest"

    def test_a_host_from_a_restored_snapshot(self, world: World) -> None:
        """It has less than we have seen: what it says from now on is shown, none of it skipped."""
        world.prints(b"$ make\r\n").lose().wait(0)
        world.do(world.session.attempt_output(MARKER, world.now))
        line = b"KEEPSHELL-LINK 1 attached in=0 out=2\nls\r\n"
        world.do(world.session.attempt_output(line, world.now))
        assert world.screen.title == "web: the host was set back to an earlier time"
        assert world.screen.text.split() == ["$", "make", "ls"]

    def test_after_a_sleep_the_connection_is_tested(self, world: World) -> None:
        world.now += 3600
        world.sample = SILENT
        world.do(world.session.resumed(world.now))
        assert world.count(Nudge) == 1
        world.wait(2)
        assert world.attempts == [False]


class TestTheEnd:
    def test_the_shells_own(self, world: World) -> None:
        assert world.session.outlived(world.now, exit_status=3, signal=None) == []
        world.session.conclude()
        assert world.session.shell is Shell.ENDED

    def test_status_255_is_looked_into(self, world: World) -> None:
        """A shell's own, or the server has closed the channel (ChannelTimeout)."""
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now))
        world.lose().wait(0)
        world.host.gone = True
        world.reattach()
        assert world.session.parting == "The shell has ended."

    def test_a_killed_ssh_is_a_loss(self, world: World) -> None:
        world.do(world.session.outlived(world.now, exit_status=None, signal=9))
        assert world.session.recovery.away

    def test_fetched_elsewhere(self, world: World) -> None:
        assert world.session.outlived(world.now, exit_status=254, signal=None) == []
        world.session.conclude()
        assert world.session.parting == words.SUPERSEDED
        assert world.session.shell is Shell.KEPT
        end = classify(world.session.evidence(world.now, exit_status=254, signal=None))
        assert end.kind is Kind.MOVED

    def test_superseded_by_ourselves_is_a_loss(self, world: World) -> None:
        world.silent()
        world.do(world.session.attempt_output(MARKER, world.now))
        assert world.session.outlived(world.now, exit_status=254, signal=None)
        assert world.session.recovery.away

    def test_a_signal_to_keepshell(self, world: World) -> None:
        world.session.forwarded(15)
        assert world.session.outlived(world.now, exit_status=255, signal=None) == []
        world.session.conclude()
        assert world.session.shell is Shell.LEFT


@pytest.mark.parametrize("seed", range(40))
def test_over_random_losses_the_screen_is_an_uninterrupted_twins(  # noqa: C901, PLR0912
    seed: int,
) -> None:
    """Output, keys, losses, waking old connections and held keys in any order."""
    chance = random.Random(seed)
    world = World().open()
    typed = b""
    for step in range(60):
        away, asking = world.session.recovery.away, world.session.asking
        choice = chance.random()
        world.wait(chance.random())
        if asking:
            world.type(chance.choice([b"\r", b"\x1b"]))
        elif away and choice < 0.5:
            if world.session.recovery.trying:
                world.host.output += b"away %d\r\n" % step
                world.reattach()
            else:
                world.wait(5)
        elif away:
            world.type(chance.choice([b"k", b"\r", b"\x1b[?1;2c"]))
        elif choice < 0.6:
            world.prints(b"line %d of output\r\n" % step)
        elif choice < 0.8:
            typed += b"t"
            world.type(b"t").prints(b"t")
        else:
            chance.choice([world.silent, world.lose])()
    for _ in range(200):
        if world.session.asking:
            world.type(b"\x1b")
        elif world.session.recovery.trying:
            world.reattach()
        elif world.session.recovery.away:
            world.wait(5)
        else:
            break
    world.wait(1)
    twin = Screen(24, 80)
    twin.feed(world.host.output)
    assert world.screen.text == twin.text
    assert world.screen.cursor == twin.cursor
    drawn = re.compile(rb"\x1b\[\?1049h.*?\x1b\[\?1049l|\x1b\]0;[^\x07]*\x07|\x1b\[2[23];0t", re.S)
    assert drawn.sub(b"", world.shown) == world.host.output


def test_a_state_change_is_told(world: World) -> None:
    world.silent()
    assert LinkChanged("search") in world.effects
