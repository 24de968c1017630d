r"""The script that `probe` runs on a host: POSIX sh, sent on the stdin of `sh -s`.

The rules it keeps:

- it writes no file, needs no privilege, and does without any program that is missing: files are
  read by the shell itself, which takes nothing but `read` and `printf`;
- each line of its answer begins with a mark that no one on the host can know beforehand, and that
  the script does not contain as such, so neither a banner nor an echo of the script is believed;
- whatever may hang (a start-up file, sshd -T, the bus) is ended after `STEP_WITHIN`.

The keys of its answer are those that core/probing/servertimers.py and hosttimers.py read.
"""

from __future__ import annotations

from keepshell.core.probing.answers import MARK

STEP_WITHIN = 4
"""Seconds that each program gets which the script runs."""

_SCRIPT = r"""
set -f
LC_ALL=C export LC_ALL
if command -v printf >/dev/null 2>&1
then put() { printf '%s\n' "$*"; }
else put() { echo "$*"; }
fi
mark='@MARK@' nonce='@NONCE@' root='@ROOT@' tab='@TAB@'
tell() { put "$mark $nonce $*"; }
exec 3</dev/null

# Runs "$@" on descriptor 3, and kills it when it takes too long. Not all have a timeout(1), and
# old ones of busybox take their arguments in another order.
if timeout -s KILL @STEP@ true >/dev/null 2>&1
then limited() { timeout -s KILL @STEP@ "$@" <&3 2>/dev/null 3<&-; }
else
    limited() {
        "$@" <&3 2>/dev/null 3<&- &
        limited_pid=$!
        # Its sleep may outlive this session; with all descriptors closed, nothing waits for it.
        (sleep @STEP@ && kill -9 $limited_pid) >/dev/null 2>&1 </dev/null 3<&- &
        limited_dog=$!
        wait $limited_pid 2>/dev/null
        kill $limited_dog 2>/dev/null
    }
fi

# each KEY: the lines of stdin, at most 400, under this key.
each() {
    each_count=0
    while IFS= read -r each_line || [ -n "$each_line" ]
    do
        tell "$1" "$each_line"
        each_count=$((each_count + 1))
        [ $each_count -lt 400 ] || return 0
    done
}

# matching KEY WORD...: those lines of stdin that begin with one of the words, with their number.
matching() {
    matching_key=$1 matching_number=0
    shift
    while IFS= read -r matching_line || [ -n "$matching_line" ]
    do
        matching_number=$((matching_number + 1))
        matching_text=${matching_line#"${matching_line%%[! $tab]*}"}
        for matching_word
        do
            case $matching_text in
            $matching_word*) tell "$matching_key" $matching_number "$matching_text"; break ;;
            esac
        done
    done
}

# An sshd_config and, where it names them, the files it includes.
config() {
    if ! [ -r "$1" ]
    then
        [ -e "$1" ] && tell config-denied "$1"
        return 0
    fi
    tell config-file "$1"
    config_number=0
    while IFS= read -r config_line || [ -n "$config_line" ]
    do
        config_number=$((config_number + 1))
        config_text=${config_line#"${config_line%%[! $tab]*}"}
        case $config_text in
        [Cc][Ll][Ii][Ee][Nn][Tt][Aa][Ll]*|[Cc][Hh][Aa][Nn][Nn][Ee][Ll][Tt]*|[Uu][Nn][Uu][Ss]*|[Mm][Aa][Tt][Cc][Hh]*)
            tell config-line $config_number "$config_text" ;;
        [Ii][Nn][Cc][Ll][Uu][Dd][Ee][\ =$tab]*)
            tell config-line $config_number "$config_text"
            [ "$2" -lt 8 ] && (included "${config_text#???????}" "$2") ;;
        esac
    done <"$1"
    tell config-end "$1"
}
included() {
    set +f
    for included_name in $1
    do
        case $included_name in
        =) continue ;;
        \"*\") included_name=${included_name#?} included_name=${included_name%?} ;;
        esac
        case $included_name in
        /*) ;;
        *) included_name=$config_directory/$included_name ;;
        esac
        for included_file in $included_name
        do (set -f; config "$included_file" $(($2 + 1)))
        done
    done
}

put ''
tell begin
tell user "${LOGNAME-${USER-}}"
shell=${SHELL-}
if [ -z "$shell" ] && [ -r /etc/passwd ]
then
    while IFS=: read -r p_name _ _ _ _ _ p_shell
    do [ "$p_name" = "${LOGNAME-${USER-}}" ] && shell=$p_shell
    done </etc/passwd
fi
tell shell "$shell"
tell shell-is "$(readlink -f "$shell" 2>/dev/null)"

# The processes that this session hangs from: among them the server, with its own command line.
sshd_config=$root/etc/ssh/sshd_config
pid=$$
while [ "${pid:-0}" -gt 1 ]
do
    title=$(tr '\000' '\011' <"/proc/$pid/cmdline") || title=$(ps -o args= -p $pid)
    tell ancestor "$title"
    case $title in
    *sshd*)
        previous=
        for word in $title
        do
            [ "$previous" = -f ] && sshd_config=$word
            case $word in */sshd) sshd=$word ;; esac
            previous=$word
        done ;;
    esac
    parent=
    while read -r name value
    do [ "$name" = PPid: ] && parent=$value
    done <"/proc/$pid/status" || parent=$(ps -o ppid= -p $pid)
    pid=$((${parent:-0}))
done 2>/dev/null

for sshd in ${sshd-} /usr/sbin/sshd /usr/local/sbin/sshd /sbin/sshd ''
do [ -x "$sshd" ] && break
done
if [ -n "$sshd" ]
then
    "$sshd" -V </dev/null 2>&1 | each sshd-version
    set -- ${SSH_CONNECTION-}
    limited "$sshd" -T -f "$sshd_config" \
        -C "user=${LOGNAME-root},host=${1-localhost},addr=${1-127.0.0.1}" |
        matching sshd-says clientalive channeltimeout unusedconnection
fi
config_directory=${sshd_config%/*}
config "$sshd_config" 0

# logind: what it says on the bus, and the files it reads, the last one's word being the one.
if command -v busctl >/dev/null 2>&1
then
    limited busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
        org.freedesktop.login1.Manager StopIdleSessionUSec | each logind-bus
fi
[ -d "$root/run/systemd/sessions" ] && tell logind-runs
for directory in usr/lib usr/local/lib run etc
do
    logind=$root/$directory/systemd
    set +f
    for file in "$logind/logind.conf" "$logind"/logind.conf.d/*.conf
    do
        [ -r "$file" ] || continue
        tell logind-file "$file"
        matching logind-line StopIdleSessionSec <"$file"
    done
    set -f
done

# What ends the sessions of idle terminals by itself, and whether it runs.
for file in "$root/etc/autolog.conf" "$root/etc/timeouts"
do
    [ -r "$file" ] || continue
    tell reaper-file "$file"
    matching reaper-line '[!#]' <"$file"
done
set +f
for file in /proc/[0-9]*/comm
do
    read -r name <"$file" || continue
    case $name in autolog|timeoutd) tell reaper-runs "$name" ;; esac
done 2>/dev/null
set -f

if command -v tmux >/dev/null 2>&1
then limited tmux show-options -gv lock-after-time | each tmux
fi
for file in "$root/etc/tmux.conf" "${HOME-}/.tmux.conf" "${HOME-}/.config/tmux/tmux.conf"
do
    [ -r "$file" ] || continue
    tell tmux-file "$file"
    matching tmux-line 'set*lock-after-time' <"$file"
done

# The shell's own timer, as the shell has it after the start-up files of a login. Without -i, most
# shells would skip half of them; but with it, ksh begins the history file anew that its start-up
# files name. So it gets none, and is told to read what it would read besides.
besides="
case \$- in
*r*) ;; # a restricted shell would end at the dot
*)
    case \${KSH_VERSION-} in
    *MIRBSD*|*LEGACY*) rc=\${ENV:-\$HOME/.mkshrc} ;;
    *ersion*)
        [ -r '$root/etc/ksh.kshrc' ] && . '$root/etc/ksh.kshrc'
        rc=\${ENV-\$HOME/.kshrc} ;;
    *) rc=\${ENV-} ;;
    esac
    eval \"rc=\\\"\$rc\\\"\"
    [ -f \"\$rc\" ] && [ -r \"\$rc\" ] && . \"\$rc\" ;;
esac
"
asked="echo; echo \"$mark $nonce tmout \${TMOUT-}\"
echo \"$mark $nonce tmout-of \${BASH_VERSION:+bash}\${ZSH_VERSION:+zsh}\${KSH_VERSION:+ksh}\"
(unset TMOUT) 2>/dev/null || echo \"$mark $nonce tmout-readonly\""
case ${shell##*/} in
bash|zsh) limited "$shell" -l -i -c "$asked" ;;
sh|dash|ash|*ksh*|busybox) limited "$shell" -l -c "$besides$asked" ;;
tcsh|csh)
    put "echo
if (! \$?autologout) set autologout
echo '$mark $nonce autologout' \$autologout:q" | limited "$shell" -l 3<&0 ;;
esac
put ''
tell end
exit 0
"""


def script(nonce: str, root: str = "") -> str:
    """The script; `nonce` is part of each mark, and `root` is prefixed to the paths of files."""
    values = {"MARK": MARK, "NONCE": nonce, "ROOT": root, "TAB": "\t", "STEP": str(STEP_WITHIN)}
    text = _SCRIPT
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
