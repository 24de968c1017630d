"""The completion scripts as templates: what is written `@{so}` comes from the tables."""

BASH = """\
# bash completion for keepshell

_keepshell_offer() {
    # Offers those words that begin with $cur. Arguments: pairs of a word and its meaning, which is
    # shown where bash lists (COMP_TYPE ? and !) and never inserted.
    local -a words=() meanings=()
    local line i
    while [[ $# -gt 0 ]]; do
        [[ $1 == "$cur"* ]] && words+=("$1") meanings+=("$2")
        shift 2
    done
    if [[ ${#words[@]} -gt 1 && ${COMP_TYPE-} == @(63|33) ]]; then
        for i in "${!words[@]}"; do
            printf -v line '%-26s (%s)' "${words[i]}" "${meanings[i]}"
            COMPREPLY+=("$line")
        done
    else
        COMPREPLY+=("${words[@]}")
    fi
}

_keepshell_files() {
    local IFS=$'\\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen "$1" -- "$cur"))
}

_keepshell_drop() {
    # Makes the line begin with word $1.
    local i before
    for ((i = 0; i < $1; i++)); do
        before=${COMP_LINE%%"${COMP_WORDS[i]}"*}${COMP_WORDS[i]}
        COMP_LINE=${COMP_LINE#"$before"}
        ((COMP_POINT -= ${#before}))
    done
    before=${COMP_LINE%%[![:blank:]]*}
    COMP_LINE=${COMP_LINE#"$before"}
    ((COMP_POINT -= ${#before}, COMP_CWORD -= $1))
    COMP_WORDS=("${COMP_WORDS[@]:$1}")
}

_keepshell_as() {
    # Completes as if the line began with word $1, under the name $2 if there is one.
    _keepshell_drop "$1"
    if [[ -n ${2-} ]]; then
        COMP_LINE=$2${COMP_LINE#"${COMP_WORDS[0]}"}
        ((COMP_POINT += ${#2} - ${#COMP_WORDS[0]}))
        COMP_WORDS[0]=$2
    fi
    if declare -F _comp_command_offset >/dev/null; then
        _comp_command_offset 0
        return
    elif declare -F _command_offset >/dev/null; then
        _command_offset 0
        return
    elif ((COMP_CWORD == 0)); then
        _keepshell_files -c
        return
    fi
    # Without bash-completion: what `complete` knows of that command, else files.
    local spec words
    spec=$(complete -p "${COMP_WORDS[0]}" 2>/dev/null)
    case $spec in
    *' -F '*)
        spec=${spec#* -F }
        "${spec%% *}" "${COMP_WORDS[0]}" "$cur" "${COMP_WORDS[COMP_CWORD - 1]}"
        ;;
    '') _keepshell_files -f ;;
    *)
        spec=${spec#complete }
        words=$(eval "compgen ${spec% *} -- \\"\\$cur\\"")
        local IFS=$'\\n'
        COMPREPLY=($words)
        ;;
    esac
}

_keepshell_value() {
    case $1 in
    @{values}
    esac
}

_keepshell_known() {
    # Offers what keepshell knows: hosts, sessions, keys and their values. The command is word $1.
    local -a asked=("${COMP_WORDS[@]:$1:COMP_CWORD-$1}") pairs=()
    local word meaning
    [[ $cur != = ]] || { asked+=(=) && cur=; } # right after it
    while IFS=$'\\t' read -r word meaning; do
        pairs+=("$word" "$meaning")
    done < <(command keepshell complete "${asked[@]}" "$cur" 2>/dev/null)
    [[ ${#pairs[@]} -eq 0 ]] || _keepshell_offer "${pairs[@]}"
    [[ ${COMPREPLY[0]-} != *= ]] || compopt -o nospace 2>/dev/null
}

_keepshell_own() {
    # Offers what we ourselves take after the command, which is word $1.
    case ${COMP_WORDS[*]:$1:COMP_CWORD-$1} in
    @{steps}
    esac
}

_keepshell() {
    local cur=${COMP_WORDS[COMP_CWORD]} at=1
    COMPREPLY=()
    while ((at < COMP_CWORD)); do
        case ${COMP_WORDS[at]} in
        @{valued})
            local option=${COMP_WORDS[at]}
            [[ ${COMP_WORDS[at + 1]} == = ]] && ((at += 1))
            if ((at + 1 >= COMP_CWORD)); then
                ((at == COMP_CWORD)) && cur= # right after the =
                _keepshell_value "$option"
                return
            fi
            ((at += 2))
            ;;
        -*) ((at += 1)) ;;
        *) break ;;
        esac
    done
    if ((at >= COMP_CWORD)); then
        if [[ $cur == -* ]]; then
            _keepshell_offer @{options}
        else
            _keepshell_offer @{commands}
        fi
        return
    fi
    case ${COMP_WORDS[at]} in
    @{as_command})
        ((at += 1))
        ((at < COMP_CWORD)) && [[ ${COMP_WORDS[at]} == -- ]] && ((at += 1))
        _keepshell_as "$at"
        ;;
    @{as_ssh})
        [[ $cur == --* ]] && _keepshell_own "$at" # ssh has no long options
        [[ ${#COMPREPLY[@]} -eq 0 ]] || return
        [[ ${COMP_WORDS[at]} != @(hold|attach) || $cur == -* ]] || _keepshell_known "$at"
        local held=("${COMPREPLY[@]}")
        _keepshell_as "$at" ssh
        COMPREPLY+=("${held[@]}")
        ;;
    *)
        [[ $cur != -* && ${COMP_WORDS[*]:$at} != *\' --\'* ]] && _keepshell_known "$at"
        [[ ${#COMPREPLY[@]} -gt 0 ]] || _keepshell_own "$at"
        ;;
    esac
}

complete -F _keepshell keepshell
"""

ZSH = """\
#compdef keepshell
# zsh completion for keepshell

_keepshell_known() {
    # Offers what keepshell knows: hosts, sessions, keys and their values.
    local -a offers
    local line
    for line in "${(@f)$(command keepshell complete "${(@)words[1,CURRENT]}" 2>/dev/null)}"; do
        [[ -n $line ]] && offers+=("${${line%%$'\\t'*}//:/\\:}:${line#*$'\\t'}")
    done
    [[ -n $offers ]] || return 1
    if [[ $offers[1] == *=:* ]]; then
        _describe -t known argument offers -S ''
    else
        _describe -t known argument offers
    fi
}

_keepshell_own() {
    # Offers what we ourselves take after the command, which is word 1.
    local -a offers
    case ${(j: :)words[1,CURRENT - 1]} in
    @{steps}
    *) return 1 ;;
    esac
}

_keepshell() {
    local context state state_descr line
    local -A opt_args
    local -a offers
    _arguments -C \\
        @{options} \\
        '(-): :->command' \\
        '(-)*:: :->arguments' && return
    case $state in
    command)
        offers=(@{commands})
        _describe -t commands command offers
        ;;
    arguments)
        case $words[1] in
        @{as_command})
            shift words
            ((CURRENT -= 1))
            if [[ $words[1] == -- ]] && ((CURRENT > 1)); then
                shift words
                ((CURRENT -= 1))
            fi
            _normal
            ;;
        @{as_ssh})
            [[ $words[CURRENT] == --* ]] && _keepshell_own && return # ssh has no long options
            [[ $words[1] == (hold|attach) && $words[CURRENT] != -* ]] && _keepshell_known
            words[1]=ssh
            _normal
            ;;
        *)
            if [[ ${words[CURRENT]} != -* && ${words[CURRENT - 1]} != --* ]]; then
                _keepshell_known && return
            fi
            _keepshell_own
            ;;
        esac
        ;;
    esac
}

if [[ $funcstack[1] == _keepshell ]]; then # loaded by compinit
    _keepshell "$@"
elif (($+functions[compdef])); then
    compdef _keepshell keepshell
fi
"""

FISH = """\
# fish completion for keepshell

function __keepshell_at
    # The place of the command among the words before the cursor's; fails if there is none yet.
    set -l words (commandline -opc)
    set -l at 2
    while set -q words[$at]
        switch $words[$at]
            case @{valued}
                set at (math $at + 2)
            case '-*'
                set at (math $at + 1)
            case '*'
                echo $at
                return 0
        end
    end
    return 1
end

function __keepshell_behind
    # Whether the words before the cursor, from the command on, begin with these.
    set -l words (commandline -opc)
    set -l at (__keepshell_at)
    or return 1
    set -e words[1..(math $at - 1)]
    set -l last (count $argv)
    test "$words[1..$last]" = "$argv"
end

function __keepshell_right_behind
    # Whether these are all the words before the cursor, from the command on.
    set -l words (commandline -opc)
    set -l at (__keepshell_at)
    and test "$words[$at..-1]" = "$argv"
end

function __keepshell_known
    # What keepshell knows: hosts, sessions, keys and their values.
    set -l words (commandline -opc)
    set -e words[1..(math (__keepshell_at) - 1)]
    command keepshell complete $words (commandline -ct) 2>/dev/null
end

function __keepshell_as
    # Completes as if the line began with the words after the command.
    set -l words (commandline -opc)
    set -e words[1..(__keepshell_at)]
    test "$words[1]" = --
    and set -e words[1]
    complete --do-complete=(string join -- ' ' $argv (string escape -- $words) (commandline -ct))
end

complete -c keepshell -f
@{rows}
"""

NU = """\
# nushell completion for keepshell

def "nu-complete keepshell" [context: string] {
    let words = ($context | split row --regex '\\s+' | skip 1)
    ^keepshell complete ...$words | lines | split column "\\t" value description
}

extern "keepshell" [...words: string@"nu-complete keepshell"]
"""

NU_SSH = """\
def --wrapped ssh [...words] { ^keepshell ssh ...$words }
"""

ELVISH = """\
# elvish completion for keepshell
use str
set edit:completion:arg-completer[keepshell] = {|@words|
    e:keepshell complete (all $words[1..]) | each {|line| put [(str:split "\\t" $line)][0] }
}
"""

ELVISH_SSH = """\
edit:add-var ssh~ {|@words| e:keepshell ssh $@words }
"""

TCSH = """\
complete keepshell 'p/*/`keepshell complete --line "$COMMAND_LINE"`/';
"""

TCSH_SSH = """\
alias ssh 'keepshell ssh \\!*';
"""
