"""The text of the shims: POSIX sh, generated from the configuration that it must agree with.

A tool may call ssh a thousand times, and starting Python costs more than starting ssh. So the shim
decides the plain cases itself: no terminal, arguments that are known and set no ServerAlive, and
everything as it was when the shim was made. All else goes to Python. What the shim was made from is
watched by inode, change time and size; that costs one process, stat(1), but `[ FILE -nt SHIM ]`
would not see a file that was moved into place or taken away.
"""

from __future__ import annotations

import os

from keepshell import launch, paths
from keepshell._version import VERSION
from keepshell.config import settings
from keepshell.config.load import load
from keepshell.errors import UsageError
from keepshell.shim.interpreter import WATCHED, interpreter_words
from keepshell.ssh import client, config_scan
from keepshell.text.template import filled, quoted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

# sshargs' letters without those that ask ssh a question.
PLAIN = "246ACKMNTXYafgknqstvxy"
VALUED = "BDEFIJLRSWbceilmopw"

_MARK = "# keepshell-shim"
_HEAD_BYTES = 256

# An -o with one of these is for Python to judge: Debian has other names for ServerAliveInterval,
# and ssh reads `Server"AliveInterval"` as one word.
_JUDGED = ("serveralive", "protocolkeepalives", "setuptimeout", '"')

# A command line on which nothing is the user's own choice.
_PLAINEST = ("-F", "none", "localhost")

_ALWAYS_PYTHON = """\
#!/bin/sh
@{mark}
# Runs ssh through keepshell. keepshell wrote this file, and found nothing that sh could decide.
if [ -x @{interpreter} ] && [ -r @{main} ]; then
    exec @{python} ssh "$@"
fi
keepshell_rest=$PATH:
while [ -n "$keepshell_rest" ]; do
    keepshell_file=${keepshell_rest%%:*}/ssh
    keepshell_rest=${keepshell_rest#*:}
    if [ -f "$keepshell_file" ] && [ -x "$keepshell_file" ]; then
        grep -q keepshell "$keepshell_file" || exec "$keepshell_file" "$@" # keepshell is gone
    fi
done
exit 127
"""

_HEAD = """\
#!/bin/sh
@{mark}
# Runs @{name} through keepshell. keepshell writes this file, and writes it again when what it was
# made from has changed: edit config.toml instead. All names begin with keepshell_ because a name
# that the caller has exported would be exported with our value.
[ -x @{interpreter} ] && [ -r @{main} ] || exec @{real} "$@" # keepshell is gone

keepshell_on_path() {
    # Whether the first @{name} on PATH, shims apart, is the one that this file was made for.
    keepshell_rest=$PATH:
    while [ -n "$keepshell_rest" ]; do
        keepshell_file=${keepshell_rest%%:*}/@{name}
        keepshell_rest=${keepshell_rest#*:}
        case $keepshell_file in
        @{skipped}) continue ;;
        @{real}) return 0 ;;
        /@{name}) return 1 ;; # an empty entry is the current directory
        esac
        ! [ -x "$keepshell_file" ] || return 1
    done
    return 1
}
"""

_COPIER = """
if keepshell_on_path; then
    exec @{real} -S @{shim} "$@"
fi
exec @{python} shim call @{self} -S @{shim} "$@"
"""

_SSH = """
keepshell_environment() {
    # Whether the caller's environment is like the one in which this file was made.
    [ -O @{self} ] && [ -z "${KEEPSHELL-}" ] || return 1
    case ${KEEPSHELL_DEPTH:-0} in [0-3]) ;; *) return 1 ;; esac # a way back to us?
    # Python sees whether the host is held.
    ! [ -e "${XDG_RUNTIME_DIR-}/keepshell/hold" ] || return 1
    ! [ -e "${XDG_STATE_HOME:-${HOME-}/.local/state}/keepshell/live/hold" ] || return 1
    @{environment}
}

keepshell_arguments() {
    # Whether Python would find nothing to ask and nothing that is the user's own choice in these.
    keepshell_sections=@{sections} # whether config.toml has sections for certain hosts
    keepshell_silent=@{silent} # whether the usual ssh_config files say nothing that matters
    keepshell_host=
    [ "$keepshell_sections" = no ] || return 1
    while [ $# -gt 0 ]; do
        case $1 in
        --) break ;;
        -[@{valued}])
            [ $# -gt 1 ] || return 1
            keepshell_option=$1$2
            shift 2
            ;;
        -[@{valued}]*)
            keepshell_option=$1
            shift
            ;;
        -*[!@{plain}]*) return 1 ;;
        -?*)
            shift
            continue
            ;;
        *)
            [ -z "$keepshell_host" ] || break
            keepshell_host=yes
            shift
            continue
            ;;
        esac
        case $keepshell_option in
        -Fnone | -F/dev/null) keepshell_silent=yes ;;
        -F*) return 1 ;;
        @{judged}) return 1 ;;
        esac
    done
    [ "$keepshell_silent" = yes ] || return 1
    [ -n "$keepshell_host" ] || [ $# -gt 1 ] # after the --
}

case $#${1-} in 1-h | 1--help) exec @{real} "$@" ;; esac # keepshell has a page for these

if ! { [ -t 0 ] && [ -t 1 ]; } && keepshell_environment && @{path_counts}; then
    keepshell_now=$(LC_ALL=C @{stat} @{watched} 2>/dev/null)
    [ "$keepshell_now" = @{then} ] || exec @{python} shim call @{self} "$@"
    if keepshell_arguments "$@"; then
        KEEPSHELL_DEPTH=$((${KEEPSHELL_DEPTH:-0} + 1))
        export KEEPSHELL_DEPTH
        exec @{real} @{added} "$@"
    fi
fi
exec @{python} ssh "$@"
"""


def ssh_shim(path: str, environ: Mapping[str, str]) -> bytes:
    """The text of the shim at `path`, as the configuration is now.

    Raises UsageError for a configuration that can't be read.
    """
    environ = {name: value for name, value in environ.items() if name != "KEEPSHELL"}
    own = paths.config_path(environ)
    files = [WATCHED, *([own] if own else []), *config_scan.look("", None).paths]
    stat = _Stat()
    then = stat.of(files)  # before they are read: a change in between is seen as one
    load(environ)
    try:
        resolved = launch.resolve(_PLAINEST, {}, environ)
    except UsageError:  # no ssh is found; there may be one when the shim is called
        return python_shim(path)
    real, config = resolved.ssh, resolved.config
    settings = launch.route(resolved, is_on_terminal=False).settings
    named = config.setting("ssh", {})[0] is not None
    skipped = [] if named else _shims_before(real, path, environ)
    then += stat.of([real, *skipped])
    if not stat.is_exact or not real.startswith("/"):
        return python_shim(path)
    found = config_scan.look(real, None, config_scan.SERVER_ALIVE)
    is_silent = not found.ask and not any(map(found.may_set, launch.SERVER_ALIVE))
    return _filled(
        _HEAD + _SSH,
        path,
        **_on_path(real, [path, *skipped]),
        added=_words(settings.added_words() if settings else ()),
        environment=_same_variables(environ),
        path_counts=":" if named else "keepshell_on_path",
        sections="yes" if config.has_hosts else "no",
        silent="yes" if is_silent else "no",
        stat=_words(stat.argv),
        then=quoted("".join(then).rstrip("\n")),
        watched=_words([*files, real, *skipped]),
    )


def python_shim(path: str) -> bytes:
    """The text of an ssh at `path` that decides nothing itself."""
    return _filled(_ALWAYS_PYTHON, path)


def copier(path: str, shim: str, environ: Mapping[str, str]) -> bytes | None:
    """The text of the `scp` or `sftp` at `path` that has the real one use `shim`.

    None where there is no such program.
    """
    real = client.which(os.path.basename(path), environ, skip_shims=True)
    if real is None or not real.startswith("/"):
        return None
    skipped = _shims_before(real, path, environ)
    return _filled(_HEAD + _COPIER, path, **_on_path(real, [path, *skipped]), shim=quoted(shim))


def is_ours(path: str) -> bool:
    """Whether keepshell wrote the file at `path`; a link to one is not ours."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return False
    try:
        return os.read(fd, _HEAD_BYTES).startswith(f"#!/bin/sh\n{_MARK} ".encode())
    except OSError:  # a directory
        return False
    finally:
        os.close(fd)


def _filled(template: str, path: str, **values: str) -> bytes:
    """The template with these values, and those that every shim has."""
    interpreter, _, main = words = interpreter_words()
    values |= {
        "interpreter": quoted(interpreter),
        "judged": " | ".join(f"-o*{_any_case(word)}*" for word in _JUDGED),
        "main": quoted(main),
        "mark": f"{_MARK} {VERSION}",
        "name": os.path.basename(path),
        "plain": PLAIN,
        "python": _words(words),
        "self": quoted(path),
        "valued": VALUED,
    }
    return os.fsencode(filled(template, values))


def _on_path(real: str, skipped: Sequence[str]) -> dict[str, str]:
    return {"real": quoted(real), "skipped": " | ".join(map(quoted, skipped))}


def _shims_before(real: str, own: str, environ: Mapping[str, str]) -> list[str]:
    """The other shims, and wrappers that call keepshell, on PATH before the real program."""
    shims = []
    for folder in environ.get("PATH", os.defpath).split(os.pathsep):
        path = os.path.join(folder, os.path.basename(real))
        if path == real:
            break
        is_program = folder.startswith("/") and os.access(path, os.X_OK)
        if path != own and is_program and client.is_shim(path):
            shims.append(path)
    return shims


def _same_variables(environ: Mapping[str, str]) -> str:
    """The test that the variables which choose configuration and ssh are as they are now."""
    names = ["HOME", "XDG_CONFIG_HOME", *(key.variable for key in settings.KEYS.values())]
    tests = [f'[ "${{{name}-}}" = {quoted(environ.get(name, ""))} ]' for name in names if name]
    return " &&\n        ".join(tests)


class _Stat:
    """The program stat, asked as the shim will ask it."""

    def __init__(self) -> None:
        place = {"PATH": os.confstr("CS_PATH") or os.defpath}
        self.argv = [client.which("stat", place) or "stat", "-L", "-c", "%i %.9Z %s %n", "--"]
        self.is_exact = False
        """Whether the changes' times have parts of seconds: busybox has none."""

    def of(self, paths: Sequence[str]) -> list[str]:
        """A line for each file that is there."""
        reader, writer = os.pipe()
        try:
            pid = os.posix_spawn(  # subprocess would cost an import of 6 ms
                self.argv[0],
                [*self.argv, *paths],
                {"LC_ALL": "C"},
                file_actions=[
                    (os.POSIX_SPAWN_DUP2, writer, 1),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
            )
        except OSError:
            os.close(reader)
            return []
        finally:
            os.close(writer)
        with open(reader, "rb") as file:
            answer = os.fsdecode(file.read())
        os.waitpid(pid, 0)  # the status says only that a file is not there
        self.is_exact = "." in answer.partition(" ")[2].partition(" ")[0]
        return answer.splitlines(keepends=True)


def _any_case(word: str) -> str:
    """A pattern of sh for the word, in capitals or not."""
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else quoted(c) for c in word)


def _words(words: Iterable[str]) -> str:
    return " ".join(map(quoted, words))
