"""The files that are installed beside the package, below `share` of wherever that is."""

from __future__ import annotations

from keepshell.cli.completion import completion
from keepshell.cli.manpage import page

COMPLETIONS = {
    "bash": "bash-completion/completions/keepshell",
    "fish": "fish/vendor_completions.d/keepshell.fish",
    "zsh": "zsh/site-functions/_keepshell",
}
MAN_PAGE = "man/man1/keepshell.1"


def files() -> dict[str, str]:
    """Each file's text by its path below `share`."""
    texts = {path: completion(shell) for shell, path in COMPLETIONS.items()}
    return {MAN_PAGE: page(), **texts}
