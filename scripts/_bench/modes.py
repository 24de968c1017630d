"""How fast ModeTracker reads a host's output, in MB per second of CPU time.

The streams are generated, with the sequences and proportions of real captures (vim scrolling a
highlighted file, htop's refresh, less, ls --color, a shell's prompts); the last is hostile. The
bars are 300 for plain text and 50 for what is heavy with escapes. Run it alone, keepshell being
importable: `python scripts/_bench/modes.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator

from keepshell.core.terminal.modes import ModeTracker

STREAM = 4 << 20  # bytes of each stream
CHUNKS = (4096, 16384)  # bytes; a common read of a pty, and the most that the relay takes at once
ROUNDS = 3  # the best counts: the others were disturbed

WORDS = b"the quick brown fox jumps over a lazy dog while static int return void char".split()


def plain(rng: random.Random) -> bytes:
    return b" ".join(rng.choices(WORDS, k=12)) + b"\r\n"


def utf8(rng: random.Random) -> bytes:
    words = rng.choices(("größe", "naïve", "日本語", "plain", "→"), k=12)
    return " ".join(words).encode() + b"\r\n"


def ls_color(rng: random.Random) -> bytes:
    directory, program, text = rng.choices(WORDS, k=3)
    return b"\x1b[0m\x1b[01;34m%s\x1b[0m  \x1b[01;32m%s\x1b[0m\t%s\r\n" % (directory, program, text)


def vim(rng: random.Random) -> bytes:
    words = b"".join(
        b"\x1b[%dm%s\x1b[m " % (rng.randrange(31, 37), word) for word in rng.choices(WORDS, k=6)
    )
    scroll = b"\x1b[1;39r\x1b[39;1H\r\n\x1b[1;40r" if rng.random() < 0.2 else b""
    return b"\x1b[?25l%s\x1b[%d;1H%s\x1b[K\x1b[?25h" % (scroll, rng.randrange(1, 40), words)


def htop(rng: random.Random) -> bytes:
    cells = b"".join(
        b"\x1b[36m%5.1f\x1b(B\x1b[m\x1b[1m%s\x1b(B\x1b[m" % (rng.random() * 100, word)
        for word in rng.choices(WORDS, k=4)
    )
    return b"\x1b[%d;%dH%s\x1b[K" % (rng.randrange(1, 40), rng.randrange(1, 80), cells)


def less(rng: random.Random) -> bytes:
    return b"\r\x1b[K%s\r\n\x1b[7m:\x1b[27m\x1b[K" % plain(rng)


def truecolour(rng: random.Random) -> bytes:
    return b"\x1b[38;2;%d;%d;%dm#" % tuple(rng.randrange(256) for _ in range(3))


def prompts(rng: random.Random) -> bytes:
    return (
        b"\x1b]133;A\x07\x1b[?2004h\x1b]0;user@host: ~\x07\x1b[01;32muser@host\x1b[0m$ "
        b"\x1b]133;B\x07ls\r\n\x1b[?2004l\r\x1b]133;C\x07%s\x1b]133;D;0\x07" % plain(rng)
    )


def line_drawing(rng: random.Random) -> bytes:
    return b"\x0elqqqqk\x0f %s \x0ex\x0f\r\n" % rng.choice(WORDS)


def mode_flood(rng: random.Random) -> bytes:
    return b"\x1b[?%d;1006%s" % (rng.choice((1000, 1004, 1049, 2004)), rng.choice((b"h", b"l")))


KINDS: tuple[Callable[[random.Random], bytes], ...] = (
    *(plain, utf8, ls_color, vim, htop, less, truecolour, prompts, line_drawing, mode_flood),
)


def stream(kind: Callable[[random.Random], bytes]) -> bytes:
    """STREAM bytes of one kind; a stretch of 256 kB is repeated, the same on every run."""
    rng = random.Random(2)
    stretch = b""
    while len(stretch) < 1 << 18:
        stretch += b"".join(kind(rng) for _ in range(500))
    return (stretch * (STREAM // len(stretch) + 1))[:STREAM]


def rate(data: bytes, chunk: int) -> float:
    """MB per second of CPU time for one stream read in pieces of `chunk` bytes."""
    pieces = [data[at : at + chunk] for at in range(0, len(data), chunk)]
    best = float("inf")
    for _ in range(ROUNDS):
        tracker = ModeTracker()
        start = time.process_time()
        for piece in pieces:
            tracker.feed(piece, 0.0)
        best = min(best, time.process_time() - start)
    return len(data) / best / 1e6


def measure() -> Iterator[tuple[str, list[float]]]:
    """Each kind's name and its MB/s for every size in CHUNKS."""
    for kind in KINDS:
        data = stream(kind)
        yield kind.__name__, [rate(data, chunk) for chunk in CHUNKS]


def main() -> None:
    print(f"{'MB/s':<14}" + "".join(f"{f'{chunk} B':>12}" for chunk in CHUNKS))
    for name, rates in measure():
        print(f"{name:<14}" + "".join(f"{value:>12.0f}" for value in rates))


if __name__ == "__main__":
    main()
