# Keeps a login shell on this host while the connection that started it is lost.
#
# keepshell sends this text over its own ssh connection and installs nothing. It runs once for each
# connection, where it waits, and once for each kept shell, in the background (`hold`).
# It is holder_python.py once more, for hosts without Python: Perl 5.8 with POSIX and Socket.
use strict;
use POSIX qw(:fcntl_h :errno_h :termios_h :sys_wait_h setsid ttyname _exit);
use Socket;

# Bytes: of output kept; of them, what may have been under way when a connection was lost; taken
# from the shell before the connection takes them.
my ($RING, $FLIGHT, $AHEAD, $CHUNK) = (4 << 20, 2300000, 256 << 10, 64 << 10);
my $LOOK = 10;    # seconds between two looks whether our socket is still there
my $MARK = "KEEPSHELL" . "-LINK 1 ";
# The numbers of ioctl below are those of most of Linux's machines: ioctl_tty(2).

# What sshd shows before a shell, but not before a command.
my $GREET = q([ -e ~/.hushlogin ] || { cat /run/motd.dynamic /etc/motd; last -aFwn2 $USER |
awk -v t=%s '$2!=t && NF>9 {print "Last login:", $3, $4, $5, $6, $7, "from", $NF; exit}'
} 2>/dev/null);

# As systemd-run --user --scope: where linger is on, such a scope outlives the connection's session.
# Its start is waited for.
my $SCOPE = q(exec >/dev/null 2>&1; u=keepshell-$PPID.scope s=org.freedesktop.systemd1
[ -e /var/lib/systemd/linger/$USER ] && busctl --user call $s /org/freedesktop/systemd1 \
$s.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' $u fail 1 PIDs au 1 $PPID 0 &&
systemctl --user start $u);
my $KILLS = q([ $XDG_SESSION_ID ] && [ $USER != root ] && s=org.freedesktop.login1 &&
busctl get-property $s /org/freedesktop/login1 $s.Manager KillUserProcesses 2>&1 | grep -q true);

# Seconds that no clock change touches.
my $TICKS = POSIX::sysconf(POSIX::_SC_CLK_TCK());
sub now { (POSIX::times())[0] / $TICKS }

sub blocked { $! == EAGAIN || $! == EINTR }

sub fields { $_[0] =~ /(\w+)=(\S*)/g }

# The directories for sockets that belong to this user and nobody else can look into.
sub places {
    my @found;
    for my $top ("/run/user/$<", "/tmp", "/var/tmp", "/dev/shm") {
        my $place = "$top/keepshell-$<";
        mkdir $place, 0700;
        next unless -d $place && (lstat $place)[4] == $<;
        chmod 0700, $place;
        push @found, $place;
    }
    return @found;
}

# A socket that only this user can connect to, and its path.
sub listening {
    for my $place (places()) {
        my $path = "$place/$_[0]";
        next if length $path > 104;
        socket(my $socket, PF_UNIX, SOCK_STREAM, 0);
        bind $socket, pack_sockaddr_un($path) or next;
        chmod 0600, $path;
        listen $socket, 8;
        return ($socket, $path);
    }
    return;
}

# Connections to the holder of this name, or to all; a dead one's socket is removed.
sub reach {
    my @found;
    for my $place (places()) {
        opendir(my $dir, $place);
        for my $name (grep { $_[0] ? $_ eq $_[0] : !/\./ } readdir $dir) {
            socket(my $link, PF_UNIX, SOCK_STREAM, 0);
            if (connect $link, pack_sockaddr_un("$place/$name")) { push @found, $link }
            elsif ($_[0] && $! == ECONNREFUSED) { unlink "$place/$name" }  # others may begin
        }
        rmdir $place;
    }
    return @found;
}

my $modes = POSIX::Termios->new;
$modes->getattr(0);

sub become_shell {
    system sprintf $GREET, $_[0] =~ m{dev/(.*)};
    $SIG{PIPE} = "DEFAULT";
    my $shell = $ENV{SHELL} || "/bin/sh";
    exec {$shell} "-" . ($shell =~ m{([^/]*)$})[0];
}

sub speak_to {
    open STDIN, "+<", $_[0];
    open STDOUT, ">&STDIN";
    open STDERR, ">&STDIN";
}

# The shell's pid and the other side of its terminal, which is as the user's own.
sub start_shell {
    my ($agent) = @_;
    my ($outer, $size, $number) = (ttyname(0), "\0" x 8, "\0" x 4);
    ioctl STDIN, 0x5413, $size;
    sysopen(my $shell, "/dev/ptmx", O_RDWR | O_NOCTTY) or return;
    ioctl $shell, 0x40045431, $number;    # TIOCSPTLCK: 0 unlocks the other side
    ioctl $shell, 0x80045430, $number;    # TIOCGPTN
    my $inner = "/dev/pts/" . unpack "i", $number;
    my $pid = fork;
    if ($pid == 0) {
        setsid;
        speak_to($inner);
        ioctl STDIN, 0x540E, 0;    # TIOCSCTTY
        $modes->setattr(0, TCSANOW);
        ioctl STDIN, 0x5414, $size;
        $ENV{SSH_TTY} = $inner;
        $ENV{SSH_AUTH_SOCK} = $agent if $ENV{SSH_AUTH_SOCK};
        become_shell($outer);
    }
    fcntl $shell, F_SETFL, O_RDWR | O_NONBLOCK;
    chdir "/";
    speak_to("/dev/null");
    return ($pid, $shell);
}

sub fit {
    my ($shell, $tty) = @_;
    my $size = "\0" x 8;
    ioctl $shell, 0x5414, $size if ioctl $tty, 0x5413, $size;
}

# Pass bytes between the shell and the connection that is attached, if one is.
sub hold {
    my ($listening, $path, %asked) = @_;
    my ($keep, $grace) = ($asked{keep} || 43200, defined $asked{grace} ? $asked{grace} : 600);
    my ($agent, $inode) = ("$path.agent", (lstat $path)[1]);
    $0 = "keepshell-holder $asked{from}";
    # The shell is to be where we are: a scope has what its processes start from then on.
    my $life = system($SCOPE) ? system($KILLS) ? "session" : "drop" : "scope";
    my ($pid, $shell) = start_shell($agent);
    my $over = 0;
    $SIG{TERM} = sub { $over = 1 };
    $SIG{PIPE} = "IGNORE";
    my $about = " pid=$$ life=$life since=" . time;
    $about .= " $_=$asked{$_}" for grep { defined $asked{$_} } "id", "from", "name";
    my ($held, $total, $sent, $taken) = ("", 0, 0, 0);    # bytes: of output, of it sent, of input
    my ($older, $newer) = (0, 0);    # bytes of output two seconds before $marked, and then
    my ($typed, $ended, $drained) = ("", "", 0);
    my ($client, $tty, $full, $printed, $marked) = (undef, undef, 0, 0, 0);
    my $now = my $away = now();
    until ($over) {
        my $unsent = $total - $sent;
        my $room = ($client ? $AHEAD : $RING - $FLIGHT) - $unsent;
        if ($room <= 0 && !$client) {
            # The program has to wait, as it would below plain ssh; but not for ever.
            $full ||= $now;
            $room = $now - $full > $grace ? $CHUNK : 0;
        }
        my ($reads, $writes) = ("", "");
        vec($reads, fileno $listening, 1) = 1;
        vec($reads, fileno $shell, 1) = 1 if $room > 0 && !$drained;
        vec($writes, fileno $shell, 1) = 1 if length $typed;
        if ($client) {
            vec($reads, fileno $client, 1) = 1;
            vec($reads, fileno $tty, 1) = 1 if length $typed < $CHUNK;
            vec($writes, fileno $tty, 1) = 1 if $unsent;
        }
        my ($wait) = sort { $a <=> $b } $LOOK, $keep, $grace || 1;
        my $some = select $reads, $writes, undef, $ended ? 1 : $wait;
        next if $some < 0;
        $now = now();
        my $lost = 0;
        if (vec $reads, fileno $shell, 1) {
            if ($now - $marked > 2) {
                $older = $now - $printed > 2 ? $total : $newer;
                ($marked, $newer) = ($now, $total);
            }
            $printed = $now;
            my $stop = $total + ($room < $CHUNK ? $room : $CHUNK);
            while ($total < $stop) {
                my $got = sysread $shell, $held, $stop - $total, length $held;
                last if !defined $got && blocked();
                if (!$got) { $drained = 1; last }
                $total += $got;
            }
            my $extra = length($held) - $RING;
            substr $held, 0, $extra, "" if $extra > 1 << 20;
        }
        if ($client && $sent < $total) {
            my $from = length($held) - $total + $sent;
            my $put = syswrite $tty, $held, $CHUNK, $from;
            if (defined $put) { $sent += $put }
            elsif (!blocked()) { $lost = 1 }
        }
        if ($client && vec $reads, fileno $tty, 1) {
            my $got = sysread $tty, $typed, $CHUNK, length $typed;
            if ($got) { $taken += $got }
            elsif (defined $got || !blocked()) { $lost = 1 }
        }
        if (length $typed) {
            my $put = syswrite $shell, $typed;
            if (defined $put) { substr $typed, 0, $put, "" }
            elsif (!blocked()) { $typed = "" }
        }
        if ($client && vec $reads, fileno $client, 1) {
            $lost = 1 if !sysread $client, my $word, 99;
            fit($shell, $tty);
        }
        # The terminal ends just before its shell can be waited for.
        my $tries = $drained ? 50 : !$some;
        while (!$ended && $tries-- > 0) {
            if (waitpid($pid, WNOHANG) > 0) {
                $ended = " ended=" . ($? >> 8) . " signal=" . ($? & 127);
            }
            else { select undef, undef, undef, 0.02 }
        }
        my ($newcomer, $header, $forwarded, $request, %wants);
        if (vec $reads, fileno $listening, 1) {
            accept $newcomer, $listening;
            sysread $newcomer, my $said, 9999;
            ($request, $header, $forwarded) = split /\n/, $said;
            %wants = fields($request);
        }
        if ($client && ($lost || $wants{tty})) {
            syswrite $client, " ended=254";
            undef $client;
            undef $tty;
            ($away, $full) = ($now, 0);
        }
        if (%wants) {
            $over = 1 if $wants{op} eq "end";
            my $first = $total - $RING > 0 ? $total - $RING : 0;
            my $start = defined $wants{tail} ? $total - $wants{tail} : $wants{have} || 0;
            $start = $first if $start < $first;
            $start = $total if $start > $total;
            my $at = length($held) - $total + $start;
            if ($wants{tail} && $start > $first && substr($held, $at - 1) =~ /\n/) {
                $start += $-[0];
            }
            my $old = $now - $printed > 2 ? $total : $older;
            my $facts = "$about in=$taken out=$start old=$old attached=" . ($client ? 1 : 0);
            $facts .= " detached=" . int(time - $now + $away) . $ended;
            if ($wants{tty}) {
                if ($forwarded) { unlink $agent; symlink $forwarded, $agent }
                if (sysopen $tty, $wants{tty}, O_RDWR | O_NOCTTY | O_NONBLOCK) {
                    syswrite $tty, "$header$facts\n";
                    ($client, $sent) = ($newcomer, $start);
                    fit($shell, $tty);
                }
                else { syswrite $newcomer, "$!" }
            }
            else { syswrite $newcomer, $facts }
        }
        if (!$some) {
            # A cleaner may have taken our socket, and a shell may open its terminal once more.
            $drained = $room > 0 && $ended ne "";
            if (((lstat $path)[1] || 0) != $inode) {
                my ($fresh, $where) = listening($asked{id});
                ($listening, $path, $inode) = ($fresh, $where, (lstat $where)[1]) if $fresh;
            }
        }
        if ($client) { $over = 1 if $ended && $drained && $sent == $total }
        elsif ($now - $away > $keep) { $over = 1 }
    }
    unlink $path, $agent;
    rmdir $path =~ m{(.*)/};
    close $tty if $tty;
    syswrite $client, $ended || " signal=1" if $client;
    _exit(0);
}

sub answer { syswrite STDOUT, "$MARK$_[0]\n" }

# Go on as a plain login shell in the same connection.
sub fail {
    my ($why) = @_;
    $why =~ s/ /%20/g;
    answer("failed why=$why");
    $modes->setattr(0, TCSADRAIN);
    become_shell(ttyname(0));
}

# Have a holder serve this terminal; end as the shell ends, or its stay here.
sub stay {
    my ($connection, $request) = @_;
    $SIG{WINCH} = sub { syswrite $connection, "w" };
    syswrite $connection, $request;
    my $told = "";
    1 until defined sysread $connection, $told, 999 or !blocked();
    my %end = fields($told || " ended=255");
    fail($told) if !%end;
    exec "/bin/sh", "-c", "ulimit -c 0; kill -$end{signal} \$\$" if $end{signal};
    _exit($end{ended});
}

delete @ENV{"_", "SHLVL", "PWD", "OLDPWD"};
$/ = "\n";
my $request = "";
until ($request =~ /=/) { $request = <STDIN>; exit 1 if !defined $request }
my $raw = POSIX::Termios->new;
$raw->getattr(0);
$raw->setiflag(0);
$raw->setoflag(0);
$raw->setlflag(0);
$raw->setcflag($raw->getcflag & ~PARENB | CS8);
$raw->setcc(VMIN, 1);
$raw->setcc(VTIME, 0);
$raw->setattr(0, TCSANOW);
chomp $request;
my %asked = fields($request);
my $op = $asked{op};
my @found = reach($op eq "list" ? "" : $asked{id});
my $word = @found ? "attached" : "gone";
if ($op eq "new" && !@found) {
    my ($listening, $path) = listening($asked{id});
    fail("no place for a socket") if !$listening;
    if (fork == 0) {
        setsid;
        hold($listening, $path, %asked) if fork == 0;
        _exit(0);
    }
    wait;
    ($word, @found) = ("new", reach($asked{id}));
}
my $machine = substr `printf %s "\$(cat /etc/machine-id)" | sha256sum`, 0, 16;
chomp(my $boot = `cat /proc/sys/kernel/random/boot_id`);
my $engine = " engine=perl machine=$machine boot=$boot";
$SIG{PIPE} = "IGNORE";    # a holder may end just now
for my $connection (@found) {
    if ($op eq "new" || $op eq "attach") {
        $request .= " tty=" . ttyname(0) . "\n$MARK$word$engine\n";
        stay($connection, $request . ($ENV{SSH_AUTH_SOCK} || ""));
    }
    syswrite $connection, "$request\n\n";
    sysread $connection, my $answer, 999;
    answer("holder$engine$answer") if $op eq "list";
}
answer($op eq "list" ? "end" : ($op eq "end" && @found ? "ended" : "gone") . $engine);
