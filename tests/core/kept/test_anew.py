"""What follows where no shell is kept: which command, where, after which losses."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keepshell.core.effects import Abandon, Disconnect, TakeOver, Try
from keepshell.core.kept.anew import LASTING, Anew
from keepshell.core.link.bootstrap import new_shell
from keepshell.core.link.header import Kept
from keepshell.core.link.recovery import State
from tests.core.kept.test_session import NO_ENGINE, World

RESET = b"client_loop: send disconnect: Broken pipe\r\n"


def anew(command: str = "", *told: bytes) -> Anew:
    found = Anew(Kept("ab", "web", "laptop", 60.0, command=command))
    found.sh_runs = True
    for piece in told:
        found.feed(piece)
    return found


class TestTheDirectory:
    @pytest.mark.parametrize(
        ("told", "path"),
        [
            (b"\x1b]7;file://web/srv/a%20b\x07", "/srv/a b"),
            (b"\x1b]7;file:///srv\x1b\\$ ", "/srv"),
            (b"\x1b]7;file://web/old\x07\x1b]7;file://web/new\x07", "/new"),
            (b"\x1b]7;file://web/srv\x07 and \x1b]0;title\x07", "/srv"),
            (b"\x1b]7;kitty-shell-cwd://web/srv\x07", ""),
            (b"\x1b]7;file://web/%ff\x07", ""),
            (b"\x1b]7;file://web/%0Arm\x07", ""),
            (b"\x1b]7;file://web/srv", ""),
        ],
    )
    def test_the_last_one_told(self, told: bytes, path: str) -> None:
        assert anew("", told).command == new_shell(path)

    @given(st.lists(st.integers(0, 60), max_size=6).map(sorted))
    def test_any_cut_gives_the_same(self, cuts: list[int]) -> None:
        text = b"$ \x1b]7;file://web/srv/a%20b\x1b\\$ \x1b[1m\x1b]7;file://web/x\x07$ "
        pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
        assert anew("", *pieces).command == new_shell("/x")

    def test_an_endless_one_is_let_go(self) -> None:
        found = anew("", b"\x1b]7;file://web/", *[b"x" * 5000] * 4)
        found.feed(b"\x07\x1b]7;file://web/srv\x07")
        assert found.command == new_shell("/srv")

    @pytest.mark.parametrize("path", ["/it's", "/wow!", "/back\\slash", "relative", ""])
    def test_one_that_no_login_shell_is_sure_to_quote_is_left_out(self, path: str) -> None:
        assert new_shell(path) == ""

    def test_it_is_told_only_where_it_is_asked_for(self) -> None:
        found = anew("", b"\x1b]7;file://web/srv\x07")
        assert found.told == "web is back with a new shell in /srv; the one before was lost."
        found.sh_runs = False
        assert (found.command, found.told) == (
            "",
            "web is back with a new shell; the one before was lost.",
        )

    def test_the_users_command_has_its_own_place(self) -> None:
        found = anew("tmux a", b"\x1b]7;file://web/srv\x07")
        assert found.command == "tmux a"
        assert found.told == "web is back: a new connection runs tmux a."


class TestTheLoss:
    def lost(self, world: World, after: float = LASTING) -> list[Try]:
        world.now += after
        world.do(world.session.ssh_said(RESET, world.now))
        world.do(world.session.outlived(world.now, exit_status=255, signal=None)).wait(0)
        return [effect for effect in world.effects if isinstance(effect, Try)]

    def test_the_command_runs_again_and_the_screen_is_in_order(self) -> None:
        world = World(command="tmux a").open()
        world.do(world.session.host_output(b"\x1b[?1049h\x1b[?25lpane", world.now))
        assert self.lost(world) == [Try(attended=False, command="tmux a")]
        world.do(world.session.attempt_output(b"not shown", world.now))
        world.do(world.session.attempt_begun(world.now, 24))
        assert world.count(TakeOver) == 1
        assert world.screen.text.strip() == "keepshell: web is back: a new connection runs tmux a."
        assert not world.screen.alternate
        assert b"\x1b[?25h" in world.shown
        assert world.session.recovery.state is State.LIVE
        assert world.type(b"x").host.input == b"x"

    def test_what_is_typed_meanwhile_is_asked_about(self) -> None:
        world = World(command="tmux a").open()
        self.lost(world)
        world.type(b"ls")
        assert "\n~.     leave\n" in world.screen.text.replace(" \n", "\n") + "\n"
        world.do(world.session.attempt_begun(world.now, 24))
        assert "web is back: a new connection runs tmux a." in world.screen.text
        world.type(b"\r")
        assert world.host.input == b"ls"
        assert "keepshell: web is back: a new" in world.screen.text

    def test_without_an_engine_the_shell_is_a_new_one(self) -> None:
        world = World().open_plain(NO_ENGINE)
        world.do(world.session.host_output(b"\x1b]7;file://web/srv\x07$ ", world.now))
        assert self.lost(world) == [Try(attended=False, command=new_shell("/srv"))]

    def test_a_user_who_must_log_in_sees_it(self) -> None:
        world = World(command="").open()
        self.lost(world)
        world.do(world.session.attempt_ended("Permission denied", world.now)).type(b"\r")
        assert world.attempts == [False, True]
        world.do(world.session.attempt_output(b"password: ", world.now))
        assert "password:" in world.screen.text
        world.do(world.session.attempt_begun(world.now, 24))
        assert "web is back with a new shell" in world.screen.text

    @pytest.mark.parametrize(
        ("said", "status", "after"),
        [
            (RESET, 255, LASTING - 1),  # it may be what this host always does
            (RESET, 1, LASTING),
            (RESET, None, LASTING),
        ],
    )
    def test_not_every_end_is_a_loss(self, said: bytes, status: int | None, after: float) -> None:
        world = World(command="tmux a").open()
        world.now += after
        world.do(world.session.ssh_said(said, world.now))
        signal = 9 if status is None else None
        assert world.session.outlived(world.now, exit_status=status, signal=signal) == []

    def test_nor_is_the_commands_own_status(self) -> None:
        world = World(command="tmux a").open()
        world.now += LASTING
        world.type(b"exit 255\r").do(world.session.host_output(b"\r\n", world.now))
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now))
        assert world.session.outlived(world.now, exit_status=255, signal=None) == []

    def test_a_kept_shell_waits_for_its_header(self) -> None:
        world = World().open().lose().wait(0)
        assert world.session.attempt_begun(world.now, 24) == []

    def test_a_new_one_that_does_not_last_is_the_last(self) -> None:
        world = World(command="tmux a").open()
        self.lost(world)
        world.do(world.session.attempt_begun(world.now, 24))
        assert len(self.lost(world, after=1.0)) == 1

    def test_leaving_leaves_nothing_behind(self) -> None:
        world = World(command="tmux a").open()
        self.lost(world)
        world.type(b"~.")
        assert world.count(Disconnect) == world.count(Abandon) == 1
        assert world.session.parting == ""

    def test_a_plain_escape_help_promises_nothing(self) -> None:
        world = World(command="tmux a").open()
        world.type(b"~?")
        assert b"~.   - leave\r\n" in world.shown

    def test_a_network_change_and_a_sleep_bring_the_next_attempt(self) -> None:
        world = World(command="tmux a").open()
        gone = {"address_gone": True, "route": False, "came_up": False}
        assert world.session.network(world.now, **gone) == []
        assert world.session.resumed(world.now) == []
        self.lost(world)
        world.do(world.session.attempt_ended("no", world.now))
        world.do(world.session.resumed(world.now)).wait(1.0)
        assert world.attempts == [False, False]


class TestWordsElsewhere:
    """The user has sent ssh's messages to a file, and the relay writes them there."""

    def test_they_are_not_on_the_screen_and_still_tell_the_ending(self) -> None:
        world = World(shows_words=False).open()
        world.do(world.session.ssh_said(b"mux words\r\n", world.now)).wait(1)
        world.do(world.session.attempt_said(b"Banner\r\n"))
        world.do(world.session.ssh_said(b"Connection to web closed.\r\n", world.now))
        world.session.conclude()
        assert world.shown == world.session.unsaid() == b""
        assert world.session.evidence(world.now, exit_status=0, signal=None).tail.endswith(
            b"mux words\r\nConnection to web closed.\r\n"
        )
