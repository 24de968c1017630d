"""The function `ssh` of an interactive shell: ssh through keepshell, or ssh itself without it.

A function and not an alias: a user's own `alias ssh='ssh -A'` then goes through it. It calls Python
itself: the command `keepshell` would cost one more process.
"""

from __future__ import annotations

from keepshell.shim.interpreter import interpreter_words
from keepshell.text.template import filled, quoted

# A variable, so that `jobs` shows a line that can be read. 126 and 127 may be the status of the
# host's command as well: then Python does start.
_SH = """\
function ssh {
    local keepshell=(@{python} @{flag} @{main}) keepshell_status=0
    if ! [ -x @{python} ] || ! [ -r @{main} ]; then
        command ssh "$@" # keepshell is gone
        return
    fi
    case ${#}:${1-} in
    1:-h | 1:--help)
        command ssh "$@" # keepshell has a page for these
        return
        ;;
    esac
    if [ "${BASH_SUBSHELL-}${ZSH_SUBSHELL-}" != 0 ]; then
        keepshell=(env KEEPSHELL_IN_SUBSHELL=1 "${keepshell[@]}") # for `ssh host & kill $!`
    fi
    command "${keepshell[@]}" ssh "$@" || keepshell_status=$?
    case $keepshell_status in
    126 | 127)
        if ! command @{python} @{flag} -c '' 2>/dev/null; then
            command ssh "$@"
            return
        fi
        ;;
    esac
    return $keepshell_status
}
"""

_FISH = """\
function ssh --description 'ssh, kept alive'
    if not test -x @{python}; or not test -r @{main}
        command ssh $argv # keepshell is gone
        return
    end
    if contains -- "$argv" -h --help
        command ssh $argv # keepshell has a page for these
        return
    end
    set -l keepshell @{python} @{flag} @{main}
    # A function can't be in the background, what it calls can: `ssh -N host >/dev/null 2>&1 &`.
    set -l line (status current-commandline 2>/dev/null | string replace -ar '&>|\\d*>&\\d' '>')
    if test (count $line) = 1; and string match -qr '^\\s*ssh\\s[^;&|#\\\\\\\\]*&\\s*$' -- $line
        command $keepshell ssh $argv &
        return
    end
    command $keepshell ssh $argv
    set -l keepshell_status $status
    if contains $keepshell_status 126 127; and not command @{python} @{flag} -c '' 2>/dev/null
        command ssh $argv
        return
    end
    return $keepshell_status
end
"""


def function(shell: str) -> str:
    """The function's text, for bash, zsh or fish."""
    quote = quoted_for_fish if shell == "fish" else quoted
    python, flag, main = map(quote, interpreter_words())
    text = _FISH if shell == "fish" else _SH
    return filled(text, {"python": python, "flag": flag, "main": main})


def quoted_for_fish(text: str) -> str:
    """One word of fish, where a backslash counts between single quotes."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
