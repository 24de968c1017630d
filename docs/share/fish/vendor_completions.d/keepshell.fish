# fish completion for keepshell

function __keepshell_at
    # The place of the command among the words before the cursor's; fails if there is none yet.
    set -l words (commandline -opc)
    set -l at 2
    while set -q words[$at]
        switch $words[$at]
            case --rung --server-alive-interval --outage-tolerance --window-change-interval --no-op --no-op-interval --xon --empty-line --idle-limit --rules --hold-for --warn --reattach --reattach-keep --title --hints --ssh
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
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l rung -x -a 'off server-alive window-change no-op empty-line' -d 'the highest rung of keepalives allowed (default empty-line)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l server-alive-interval -x -d 'how long the host is silent before ssh asks for a sign of life (default 1m)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l outage-tolerance -x -d 'how long ssh waits without an answer before it gives up (default 20m)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l window-change-interval -x -d 'how long you are silent before a window-change is sent (default 1m)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l no-op -x -a 'auto always never' -d 'when to type harmless input: where a timer needs it, everywhere, nowhere (default auto)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l no-op-interval -x -d 'how often, with no_op = "always" and no limit known (default 4m)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l xon -x -a 'true false' -d 'allow ^Q where nothing else resets the timer (default false)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l empty-line -x -a 'true false' -d 'allow Enter at an empty prompt, against a shell\'s timer (default false)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l idle-limit -x -d 'how long until the host ends an idle session'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l rules -x -d 'the idle timers that the host has'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l hold-for -x -d 'how long `keepshell hold` holds a connection (default 8h)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l warn -x -a 'true false' -d 'notify you before a timer ends a session that nothing can keep (default false)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l reattach -x -a 'true false' -d 'keep the shell when its connection is lost, and return to it; or what each one runs (default false)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l reattach-keep -x -d 'how long a shell lives on its host with no one attached (default 12h)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l title -x -a 'true false' -d 'show in the window\'s title whether an idle session will survive (default false)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l hints -x -a 'true false' -d 'after the first session with a host, say how to read its idle timers (default true)'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l ssh -r -F -d 'the ssh to run instead of the first on PATH'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l dry-run -d 'print the command and why each option was added; run nothing'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l help -d 'print this help'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -l version -d 'print the version'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a ssh -d 'ssh, kept alive'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a run -d 'any other interactive program, kept alive'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a exec -d 'run a script, with every ssh it calls kept alive'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a attach -d 'back into a shell that a host keeps'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a hold -d 'log in once, and keep the connection open for what follows'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a release -d 'end a hold'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a status -d 'your running sessions, and whether they will survive'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a history -d 'past sessions, and how each ended'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a explain -d 'what keepshell would do for a host, and why'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a probe -d 'read a host\'s idle timers'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a forget -d 'delete what keepshell remembers about a host'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a init -d 'make `ssh` mean `keepshell ssh` in your shell, with completions'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a shim -d 'put an `ssh` on PATH that keeps the ssh of scripts alive'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a config -d 'where config.toml is, what it says, and changes to it'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a doctor -d 'check the setup, and say how to fix what is wrong'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a off -d 'stop the keepalives of a running session'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a on -d 'start a session\'s keepalives again, after off'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a help -d 'this help, or the page of one command'
complete -c keepshell -n 'not __keepshell_at >/dev/null' -a man -d 'the manual'
complete -c keepshell -n '__keepshell_behind ssh' -a '(__keepshell_as ssh)'
complete -c keepshell -n '__keepshell_behind run' -a '(__keepshell_as)'
complete -c keepshell -n '__keepshell_behind exec' -a '(__keepshell_as)'
complete -c keepshell -n '__keepshell_behind attach; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind attach' -a '(__keepshell_as ssh)'
complete -c keepshell -n '__keepshell_behind hold' -l for -x -d 'how long (default hold_for, 8h)'
complete -c keepshell -n '__keepshell_behind hold' -l name -x -d 'what to call it (default: the host as you type it)'
complete -c keepshell -n '__keepshell_behind hold' -l print-config -d 'print what plain ssh needs to go through it, for ssh_config'
complete -c keepshell -n '__keepshell_behind hold; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind hold' -a '(__keepshell_as ssh)'
complete -c keepshell -n '__keepshell_behind release' -l all -d 'every hold'
complete -c keepshell -n '__keepshell_behind release' -l now -d 'cut the sessions that run through it'
complete -c keepshell -n '__keepshell_behind release; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind status' -l watch -d 'keep showing them until you press q or ^C'
complete -c keepshell -n '__keepshell_behind status' -l line -d 'one short line, for a status bar: 3 kept, 1 !'
complete -c keepshell -n '__keepshell_behind status' -l ask -d 'ask the hosts about their kept shells, where the login needs no one'
complete -c keepshell -n '__keepshell_behind status' -l json -d 'print JSON'
complete -c keepshell -n '__keepshell_behind history' -s n -x -d 'only the last N sessions'
complete -c keepshell -n '__keepshell_behind history' -l dropped -d 'only those that were cut'
complete -c keepshell -n '__keepshell_behind history' -l since -x -d 'how far back: 2d, or a date such as 2026-10-01 (default 7d)'
complete -c keepshell -n '__keepshell_behind history' -l host -x -d 'the same as HOST'
complete -c keepshell -n '__keepshell_behind history' -l json -d 'print JSON'
complete -c keepshell -n '__keepshell_behind history; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind explain' -l all -d 'also the settings that have their defaults'
complete -c keepshell -n '__keepshell_behind explain' -l json -d 'print JSON'
complete -c keepshell -n '__keepshell_behind explain' -a '(__keepshell_as ssh)'
complete -c keepshell -n '__keepshell_behind probe' -l measure -d 'don\'t ask the host: let a test session of each level sit idle'
complete -c keepshell -n '__keepshell_behind probe' -l floor -x -d 'with --measure: the shortest limit to look for (default 30s)'
complete -c keepshell -n '__keepshell_behind probe' -l limit -x -d 'with --measure: the longest to wait for (default 20m)'
complete -c keepshell -n '__keepshell_behind probe' -l script -d 'print the script, for ansible, clush or pssh to run on many hosts'
complete -c keepshell -n '__keepshell_behind probe' -l read -x -d 'read their output back (- for stdin), and list who didn\'t answer'
complete -c keepshell -n '__keepshell_behind probe' -l json -d 'print JSON'
complete -c keepshell -n '__keepshell_behind probe' -a '(__keepshell_as ssh)'
complete -c keepshell -n '__keepshell_behind forget; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_right_behind init' -a bash -d 'for ~/.bashrc: eval "$(keepshell init bash)"'
complete -c keepshell -n '__keepshell_behind init bash' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind init' -a zsh -d 'for ~/.zshrc: eval "$(keepshell init zsh)"'
complete -c keepshell -n '__keepshell_behind init zsh' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind init' -a fish -d 'for config.fish: keepshell init fish | source'
complete -c keepshell -n '__keepshell_behind init fish' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind init' -a nu -d 'keepshell init nu | save keepshell.nu; source that'
complete -c keepshell -n '__keepshell_behind init nu' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind init' -a elvish -d 'for rc.elv: eval (keepshell init elvish | slurp)'
complete -c keepshell -n '__keepshell_behind init elvish' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind init' -a tcsh -d 'for ~/.tcshrc: eval "`keepshell init tcsh`"'
complete -c keepshell -n '__keepshell_behind init tcsh' -l no-ssh -d 'the completions alone: `ssh` stays ssh'
complete -c keepshell -n '__keepshell_right_behind shim' -a install -d 'write ssh, scp and sftp, and print the line for PATH'
complete -c keepshell -n '__keepshell_behind shim install' -l dir -x -a '(__fish_complete_directories)' -d 'where to write them (default $XDG_DATA_HOME/keepshell/bin)'
complete -c keepshell -n '__keepshell_right_behind shim' -a remove -d 'delete what install has written'
complete -c keepshell -n '__keepshell_right_behind shim' -a status -d 'where the shim is, and whether it is in use'
complete -c keepshell -n '__keepshell_right_behind config' -a path -d 'where the file is'
complete -c keepshell -n '__keepshell_right_behind config' -a check -d 'whether it is valid; if not, what is wrong and where'
complete -c keepshell -n '__keepshell_right_behind config' -a show -d 'the settings, in the order keepshell looks for them'
complete -c keepshell -n '__keepshell_behind config show' -l defaults -d 'also those that are not set'
complete -c keepshell -n '__keepshell_right_behind config' -a edit -d 'open it in $VISUAL or $EDITOR, and check it afterwards'
complete -c keepshell -n '__keepshell_right_behind config' -a init -d 'write a file with every setting, explained and commented out'
complete -c keepshell -n '__keepshell_right_behind config' -a set -d 'set keys for a host, or for `default`'
complete -c keepshell -n '__keepshell_right_behind config' -a unset -d 'remove a key again'
complete -c keepshell -n '__keepshell_behind config; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind doctor' -l json -d 'print JSON'
complete -c keepshell -n '__keepshell_behind off; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_behind on; and not string match -q -- "-*" (commandline -ct)' -a '(__keepshell_known)'
complete -c keepshell -n '__keepshell_right_behind help' -a ssh -d 'ssh, kept alive'
complete -c keepshell -n '__keepshell_right_behind help' -a run -d 'any other interactive program, kept alive'
complete -c keepshell -n '__keepshell_right_behind help' -a exec -d 'run a script, with every ssh it calls kept alive'
complete -c keepshell -n '__keepshell_right_behind help' -a attach -d 'back into a shell that a host keeps'
complete -c keepshell -n '__keepshell_right_behind help' -a hold -d 'log in once, and keep the connection open for what follows'
complete -c keepshell -n '__keepshell_right_behind help' -a release -d 'end a hold'
complete -c keepshell -n '__keepshell_right_behind help' -a status -d 'your running sessions, and whether they will survive'
complete -c keepshell -n '__keepshell_right_behind help' -a history -d 'past sessions, and how each ended'
complete -c keepshell -n '__keepshell_right_behind help' -a explain -d 'what keepshell would do for a host, and why'
complete -c keepshell -n '__keepshell_right_behind help' -a probe -d 'read a host\'s idle timers'
complete -c keepshell -n '__keepshell_right_behind help' -a forget -d 'delete what keepshell remembers about a host'
complete -c keepshell -n '__keepshell_right_behind help' -a init -d 'make `ssh` mean `keepshell ssh` in your shell, with completions'
complete -c keepshell -n '__keepshell_right_behind help' -a shim -d 'put an `ssh` on PATH that keeps the ssh of scripts alive'
complete -c keepshell -n '__keepshell_right_behind help' -a config -d 'where config.toml is, what it says, and changes to it'
complete -c keepshell -n '__keepshell_right_behind help' -a doctor -d 'check the setup, and say how to fix what is wrong'
complete -c keepshell -n '__keepshell_right_behind help' -a off -d 'stop the keepalives of a running session'
complete -c keepshell -n '__keepshell_right_behind help' -a on -d 'start a session\'s keepalives again, after off'
complete -c keepshell -n '__keepshell_right_behind help' -a help -d 'this help, or the page of one command'
complete -c keepshell -n '__keepshell_right_behind help' -a man -d 'the manual'
