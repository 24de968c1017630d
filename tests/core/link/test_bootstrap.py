"""The bootstrap holds nothing that one of the shells on its way would treat in its own way."""

from __future__ import annotations

import pytest

from keepshell.core.link.bootstrap import command

COMMAND = command("laptop")


@pytest.mark.parametrize("letter", ["!", "\\", "`", "\n", "\r", "\t", "#", "~", "%", "^"])
def test_no_letter_that_a_shell_treats_in_its_own_way(letter: str) -> None:
    assert letter not in COMMAND


def test_single_quotes_around_all_that_is_for_sh() -> None:
    assert COMMAND.startswith("exec /bin/sh -c '")
    assert COMMAND.endswith("'")
    assert COMMAND.count("'") == 2
    assert COMMAND.isascii()


def test_the_markers_do_not_stand_in_it() -> None:
    for marker in ("311973482284542371301330321821976049", "3.11973482284542e+35", "62773913"):
        assert marker not in COMMAND


def test_it_is_short() -> None:
    assert len(COMMAND) <= 440


@pytest.mark.parametrize(
    ("client", "shown"),
    [
        ("laptop", "laptop"),
        ("Web-1.example.org", "Web-1.example.org"),
        ("o'brien; rm -rf $HOME", "obrienrm-rfHOME"),
        ("x" * 100, "x" * 64),
        ("dépôt", "dpt"),
        ("", ""),
    ],
)
def test_the_clients_name_can_do_no_harm(client: str, shown: str) -> None:
    assert f" -Xkeepshell-holder={shown} -ISBc " in command(client)
