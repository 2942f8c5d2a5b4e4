"""
Services for an image of any suite that try what they may against PID 1, each as a user of its own. tests/apps/hostile.c
does it. All of them are ready soon, and go on for as long as the machine runs.
"""

USERS = {"lessee": 2001, "stopper": 2002, "flooder": 2003, "lingerer": 2004, "filler": 2005, "tracer": 2006,
         "talker": 2007, "eater": 2008}
AGAIN = "restart = always\nrestart-limit = 0\nrestart-delay = 2ms\nrestart-delay-max = 50ms\n"

SERVICES = {
    # A program that its owner holds a lease on: each start of it waits for 45 s.
    "leased": f"command = /run/leased exit 1\nuser = {USERS['lessee']}\n{AGAIN}",
    "lease": f"command = /bin/hostile lease /run/leased\nuser = {USERS['lessee']}\nafter = leased\n",
    # A process that outlives its service stops whatever becomes its user.
    "stop": f"command = /bin/hostile leftover stop-others\nuser = {USERS['stopper']}\n{AGAIN}",
    # Descriptors for each socket of messages, with PID 1's own processor time.
    "flood": f"command = /bin/hostile notify READY=1 flood-descriptors 2\nuser = {USERS['flooder']}\nready = notify\n"
             "limit-nproc = 4\n",
    # Sockets whose last close takes an hour.
    "linger": f"command = /bin/hostile notify READY=1 send-lingering sleep 600000\nuser = {USERS['lingerer']}\nready = notify\n",
    "pids": f"command = /bin/hostile fill-pids sleep 600000\nuser = {USERS['filler']}\nlimit-nproc = 12\n",
    # A restarted service that is seized and killed stays a zombie.
    "trace": f"command = /bin/hostile once /tmp/traced leftover trace-and-kill once\nuser = {USERS['tracer']}\n{AGAIN}",
    # A console that is stopped most of the time.
    "console": f"command = /bin/hostile flow off sleep 20 flow on\nuser = {USERS['talker']}\n{AGAIN}",
}
# What needs a control group.
MEMORY = {"memory": f"command = /bin/hostile allocate 90\nuser = {USERS['eater']}\nmemory-max = 16M\n{AGAIN}"}


def config(services: dict[str, str]) -> str:
    """Their sections."""
    return "".join(f"\n[{name}]\n{keys}stop-timeout = 100ms\n" for name, keys in services.items())


def add(tree: object, program: bytes, other: bytes, below: str = "") -> None:
    """Puts what they take into TREE, below a folder: the program hostile and OTHER, any that exits at once."""
    tree.file(f"{below}bin/hostile", program, 0o755)
    tree.file(f"{below}run/leased", other, 0o755, uid=USERS["lessee"], gid=USERS["lessee"])
