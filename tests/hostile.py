"""
Services that attack PID 1 and each other by what their users may do, for an image of any suite; tests/apps/hostile.c
implements it. All of them are ready soon, and go on for as long as the machine runs.
"""

AGAIN = "restart = always\nrestart-limit = 0\nrestart-delay = 2ms\nrestart-delay-max = 50ms\nstdout = null\nstderr = null\n"
ONCE = "stdout = null\nstderr = null\n"
LEASE, STOP, FLOOD, LINGER, PIDS, TRACE, CONSOLE, STARTS, SEIZED, MEMORY, DISK = range(2001, 2012)  # users

SERVICES = {
    # A program that its user holds a lease on: each start of it waits for 45 s.
    "leased": f"command = /run/leased exit 1\nuser = {LEASE}\n{AGAIN}",
    "lease": f"command = /bin/hostile lease /run/leased\nuser = {LEASE}\nafter = leased\n{AGAIN}",
    # A process that outlives its service stops the processes of its user, until it is killed for the next start.
    "stop": f"command = /bin/hostile leftover stop-others\nuser = {STOP}\n{AGAIN}",
    # Sends descriptors to each notify socket.
    "flood": f"command = /bin/hostile notify READY=1 flood-descriptors 1\nuser = {FLOOD}\nready = notify\nlimit-nproc = 4\n{AGAIN}",
    # Sends sockets whose last close takes an hour.
    "linger": f"command = /bin/hostile notify READY=1 send-lingering sleep 600000\nuser = {LINGER}\nready = notify\n{ONCE}",
    "pids": f"command = /bin/hostile fill-pids sleep 600000\nuser = {PIDS}\nlimit-nproc = 12\n{AGAIN}",
    # A restarted service is seized and killed, and stays a zombie.
    "trace": f"command = /bin/hostile once /tmp/traced leftover trace-and-kill once\nuser = {TRACE}\n{AGAIN}",
    # Stops the console most of the time.
    "console": f"command = /bin/hostile flow off sleep 20 flow on\nuser = {CONSOLE}\n{AGAIN}".replace("stdout = null\n", ""),
}

# Services that need a machine of their own, or much of its time.
MACHINE = {
    # All processes of its user are stopped, before their exec too.
    "starts": f"command = /bin/hostile sleep 30 exit 1\nuser = {STARTS}\n{AGAIN}",
    "stops": f"command = /bin/hostile stop-others\nuser = {STARTS}\nafter = starts\n{AGAIN}",
    # A service is seized and killed, and stays a zombie.
    "seized": f"command = /bin/hostile sleep 77777\nuser = {SEIZED}\n{AGAIN}",
    "seizes": f"command = /bin/hostile trace-and-kill 77777\nuser = {SEIZED}\nafter = seized\n{AGAIN}",
    "memory": f"command = /bin/hostile allocate 50\nuser = {MEMORY}\nmemory-max = 32M\n{AGAIN}",
    "disk": f"command = /bin/hostile fill /tmp fill /dev/shm sleep 600000\nuser = {DISK}\n{AGAIN}",
    # Root without a capability.
    "freeze": "command = /bin/hostile freeze-init fresh-proc leftover sleep 600000\n"
              f"capability-bounding-set = none\nno-new-privileges = yes\n{AGAIN}",
}


def after(services: dict[str, str]) -> str:
    """The key of a service that begins beside them."""
    return f"after = {' '.join(services)}\n"


def sections(services: dict[str, str]) -> str:
    """Theirs of the configuration."""
    return "".join(f"\n[{name}]\n{keys}stop-timeout = 100ms\n" for name, keys in services.items())


def add(tree: object, program: bytes, other: bytes, below: str = "") -> None:
    """Puts what they take into TREE, below a folder: the program hostile, and OTHER, which knows `exit 1`."""
    tree.file(f"{below}bin/hostile", program, 0o755)
    tree.file(f"{below}run/leased", other, 0o755, uid=LEASE, gid=LEASE)
