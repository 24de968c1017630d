"""Keeps a login shell on this host while the connection that started it is lost.

keepshell sends this text over its ssh connection and installs nothing. It runs once for each
connection, and waits, and once for each kept shell, in the background. Python 3.6 does.
"""

import fcntl
import mmap
import os
import select
import signal
import socket
import sys
import termios
import time

RING = 4 << 20  # bytes of output kept
FLIGHT = 2300000  # of them, what may have been under way when a connection was lost
AHEAD = 256 << 10  # bytes taken from the shell before the connection takes them
CHUNK = 64 << 10
LOOK = 10  # seconds between two looks whether our socket is still there
MODES = globals().get("m", [])  # the terminal's former ones
MARK = "KEEPSHELL" + "-LINK 1 "

# What sshd shows before a shell, but not before a command.
GREET = """[ -e ~/.hushlogin ] || { cat /run/motd.dynamic /etc/motd; last -aFwn2 $USER |
awk -v t=%s '$2!=t && NF>9 {print "Last login:", $3, $4, $5, $6, $7, "from", $NF; exit}'
} 2>/dev/null"""
# As systemd-run --user --scope: where linger is on, such a scope outlives the connection's session.
# Its start is waited for.
SCOPE = """exec >/dev/null 2>&1; u=keepshell-$PPID.scope s=org.freedesktop.systemd1
[ -e /var/lib/systemd/linger/$USER ] && busctl --user call $s /org/freedesktop/systemd1 \
$s.Manager StartTransientUnit 'ssa(sv)a(sa(sv))' $u fail 1 PIDs au 1 $PPID 0 &&
systemctl --user start $u"""
KILLS = """[ $XDG_SESSION_ID ] && [ $USER != root ] && s=org.freedesktop.login1 &&
busctl get-property $s /org/freedesktop/login1 $s.Manager KillUserProcesses 2>&1 | grep -q true"""


def fields(line):
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def attempt(call, *args):
    """None when it would block, 0 when the other side has ended."""
    try:
        return call(*args)
    except BlockingIOError:
        return None
    except OSError:
        return 0


def text_of(path):
    file = attempt(open, path)
    return file.read().strip() if file else ""


def places():
    """The directories for sockets that belong to this user and nobody else can look into."""
    user = os.getuid()
    for top in (f"/run/user/{user}", "/tmp", "/var/tmp", "/dev/shm"):
        place = f"{top}/keepshell-{user}"
        attempt(os.mkdir, place, 0o700)
        if os.path.isdir(place) and os.lstat(place).st_uid == user:
            os.chmod(place, 0o700)
            yield place


def inode_of(path):
    status = attempt(os.lstat, path)
    return status and status.st_ino


def listen(name):
    """A socket that only this user can connect to, and its path."""
    for place in places():
        path = f"{place}/{name}"
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.bind(path)
        except OSError:
            continue
        os.chmod(path, 0o600)
        listening.listen(8)
        return listening, path
    raise OSError("no place for a socket")


def reach(name):
    """Connections to the holder of this name, or to all; a dead one's socket is removed."""
    for place in places():
        for each in [name] if name else attempt(os.listdir, place) or []:
            link = socket.socket(socket.AF_UNIX)
            try:
                link.connect(f"{place}/{each}")
                yield link
            except ConnectionRefusedError:
                # Another's may be about to listen; another connection may remove ours too.
                name and attempt(os.unlink, f"{place}/{each}")
            except OSError:
                pass
        attempt(os.rmdir, place)


def become_shell(terminal):
    os.system(GREET % terminal[5:])
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    shell = os.environ.get("SHELL") or "/bin/sh"
    os.execv(shell, ["-" + os.path.basename(shell)])


def start_shell(agent):
    """The shell's pid and the other side of its terminal, which is as the user's own."""
    outer, size = os.ttyname(0), fcntl.ioctl(0, termios.TIOCGWINSZ, bytes(8))
    pid, shell = os.forkpty()
    if pid == 0:
        termios.tcsetattr(0, termios.TCSANOW, MODES)
        fcntl.ioctl(0, termios.TIOCSWINSZ, size)
        os.environ["SSH_TTY"] = os.ttyname(0)
        if "SSH_AUTH_SOCK" in os.environ:
            os.environ["SSH_AUTH_SOCK"] = agent
        become_shell(outer)
    os.set_blocking(shell, False)
    os.chdir("/")
    for fd in range(3):
        os.dup2(os.open(os.devnull, os.O_RDWR), fd)
    return pid, shell


def fit(shell, tty):
    size = attempt(fcntl.ioctl, tty, termios.TIOCGWINSZ, bytes(8))
    attempt(fcntl.ioctl, shell, termios.TIOCSWINSZ, size)


def part(client, tty, word):
    """Let a connection go, with a word to the process that waits there."""
    os.close(tty)
    attempt(client.send, word.encode())
    client.close()


def begin(wants, ring, total):
    """Where the output of a new connection begins: `have` or `tail`, or the oldest there is."""
    oldest = max(total - RING, 0)
    if "tail" not in wants:
        return min(max(int(wants.get("have", 0)), oldest), total)
    start = max(total - int(wants["tail"]), oldest)
    while oldest < start < total and ring[start % RING - 1] != 10:
        start += 1
    return start


def hold(asked, listening, path):
    """Pass bytes between the shell and the connection that is attached, if one is."""
    keep, grace = int(asked.get("keep", 43200)), int(asked.get("grace", 600))
    agent, inode = path + ".agent", inode_of(path)
    # The shell is to be where we are: a scope has what its processes start from then on.
    life = "scope" if not os.system(SCOPE) else "session" if os.system(KILLS) else "drop"
    pid, shell = start_shell(agent)
    wake, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: None)
    about = f" pid={os.getpid()} life={life} since={time.time():.0f}"
    about += "".join(f" {key}={asked[key]}" for key in ("id", "from", "name") if key in asked)
    ring = memoryview(mmap.mmap(-1, RING, mmap.MAP_PRIVATE))  # takes memory only as it fills
    total = sent = taken = 0  # bytes of output, of output sent, of input
    older = newer = 0  # bytes of output two seconds before `marked`, and then
    typed, ended = b"", ""  # input that the shell has not taken; how the shell has ended
    client, tty, away = None, -1, time.monotonic()
    full = printed = marked = 0.0
    drained = over = False
    while not over:
        now, unsent = time.monotonic(), total - sent
        room = (AHEAD if client else RING - FLIGHT) - unsent
        if room <= 0 and not client:
            # The program has to wait, as it would below plain ssh; but not for ever.
            full = full or now
            room = CHUNK if now - full > grace else 0
        reads, writes = [listening, wake], []
        if room > 0 and not drained:
            reads.append(shell)
        if typed:
            writes.append(shell)
        if client:
            reads += [client, tty] if len(typed) < CHUNK else [client]
            if unsent:
                writes.append(tty)
        wait = 1 if ended else max(min(LOOK, keep, grace), 1)
        ready, free, _ = select.select(reads, writes, [], wait)
        now, lost = time.monotonic(), False
        if shell in ready:
            if now - marked > 2:
                older = total if now - printed > 2 else newer
                marked, newer = now, total
            printed, stop = now, total + min(room, CHUNK)
            while total < stop:
                at = total % RING
                got = attempt(os.readv, shell, [ring[at : at + stop - total]])
                if not got:
                    drained = got == 0
                    break
                total += got
        if client and sent < total:
            at = sent % RING
            put = attempt(os.write, tty, ring[at : at + min(total - sent, CHUNK)])
            sent, lost = sent + (put or 0), put == 0
        if tty in ready:
            got = attempt(os.read, tty, CHUNK)
            lost = lost or got in (b"", 0)
            typed, taken = typed + (got or b""), taken + len(got or b"")
        if typed:
            put = attempt(os.write, shell, typed)
            typed = b"" if put == 0 else typed[put or 0 :]
        if client in ready and not lost:
            lost = not attempt(client.recv, 99)  # type: ignore[attr-defined,union-attr]
            fit(shell, tty)
        if wake in ready:
            over = bytes([signal.SIGTERM]) in os.read(wake, 99)
            gone, status = (0, 0) if ended else os.waitpid(pid, os.WNOHANG)
            if gone:
                ended = f" ended={status >> 8} signal={status & 127}"
        wants = {}
        if listening in ready:
            newcomer, _ = listening.accept()
            newcomer.settimeout(5)
            try:
                request, header, forwarded = newcomer.recv(9999).decode().split("\n")
                wants = fields(request)
                begins = begin(wants, ring, total)
            except (OSError, ValueError):
                wants = {}
        if client and (lost or "tty" in wants):
            part(client, tty, " ended=254")
            client, tty, away, full = None, -1, now, 0.0
        if wants:
            over = over or wants.get("op") == "end"
            old = total if now - printed > 2 else older
            facts = f"{about} in={taken} out={begins} old={old} attached={1 if client else 0}"
            facts += f" detached={time.time() - now + away:.0f}" + ended
        if "tty" in wants:
            if forwarded:
                attempt(os.unlink, agent)
                attempt(os.symlink, forwarded, agent)
            try:
                tty = os.open(wants["tty"], os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
                os.write(tty, f"{header}{facts}\n".encode())
                client, sent = newcomer, begins
                fit(shell, tty)
            except OSError as error:
                attempt(newcomer.send, str(error).encode())
        elif wants:
            attempt(newcomer.send, facts.encode())
        if not ready and not free:
            # A cleaner may have taken our socket, and a shell may open its terminal once more.
            drained = room > 0 and ended != ""
            if inode_of(path) != inode:
                listening, path = attempt(listen, asked["id"]) or (listening, path)
                inode = inode_of(path)
        if client:
            over = over or (ended != "" and drained and sent == total)
        else:
            over = over or now - away > keep
    for name in (path, agent):
        attempt(os.unlink, name)
    attempt(os.rmdir, os.path.dirname(path))
    if client:
        part(client, tty, ended or " signal=1")


def start(asked):
    """Start a holder in the background; OSError says why it can't be."""
    listening, path = listen(asked["id"])
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            try:
                hold(asked, listening, path)
            finally:
                os._exit(1)
        os._exit(0)
    os.wait()


def say(words):
    os.write(1, f"{MARK}{words}\n".encode())


def fail(why):
    """Go on as a plain login shell in the same connection."""
    say("failed why=" + why.replace(" ", "%20"))
    termios.tcsetattr(0, termios.TCSADRAIN, MODES)
    become_shell(os.ttyname(0))


def stay(connection, request):
    """Have a holder serve this terminal; end as the shell ends, or its stay here."""
    signal.signal(signal.SIGWINCH, lambda *_: attempt(connection.send, b"w"))
    connection.sendall(request)
    told = (attempt(connection.recv, 999) or b" ended=255").decode()
    end = fields(told)
    if not end:
        fail(told)
    number = int(end.get("signal", 0))
    if number:
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        attempt(signal.signal, number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(int(end["ended"]))


def main():
    os.environ["LC_CTYPE"] = sys.argv[1]  # Python sets its own under the C locale (PEP 538)
    for name in ["_", "SHLVL", "PWD", "OLDPWD"] + ["LC_CTYPE"] * (not sys.argv[1]):
        os.environ.pop(name, None)
    line = b""
    while line[-1:] != b"\n" or b"=" not in line:
        line += os.read(0, 1) or os._exit(1)
    request, word = line.decode().strip(), "attached"
    asked = fields(request)
    op = asked["op"]
    found = list(reach("" if op == "list" else asked["id"]))
    if op == "new" and not found:
        try:
            start(asked)
        except OSError as error:
            fail(str(error))
        found, word = list(reach(asked["id"])), "new"
    import hashlib  # here, since a holder needs no memory for it

    machine = hashlib.sha256(text_of("/etc/machine-id").encode()).hexdigest()[:16]
    boot = text_of("/proc/sys/kernel/random/boot_id")
    engine = f" engine=python machine={machine} boot={boot}"
    for connection in found:
        if op in ("new", "attach"):
            agent = os.environ.get("SSH_AUTH_SOCK", "")
            request += f" tty={os.ttyname(0)}\n{MARK}{word}{engine}\n{agent}"
            stay(connection, request.encode())
        attempt(connection.sendall, f"{request}\n\n".encode())
        answer = (attempt(connection.recv, 999) or b"").decode()
        if op == "list":
            say(f"holder{engine}{answer}")
    say("end" if op == "list" else ("ended" if found else "gone") + engine)


if __name__ == "__main__":
    main()
