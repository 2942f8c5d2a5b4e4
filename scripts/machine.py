"""
The machine that boots enclave images: QEMU, the NSM and the vsock backend of scripts/emulator, and
the parent beside them.
"""

import ctypes
import mmap
import os
import re
import select
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from enclave import CMDLINES, Eif, Tree, app_ramdisk, boot_ramdisk, lines
from parent import Parent

SCRIPTS = Path(__file__).resolve().parent


def _ticks() -> tuple[int, int] | None:
    """The processor's time stamp counter and CLOCK_MONOTONIC in ns, as close as they can be read; None: there is none."""
    if os.uname().machine != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None
    page.write(bytes.fromhex("0f31 48c1e220 4809d0 c3"))  # rdtsc; shl $32, %rdx; or %rdx, %rax; ret
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    tries = [(read(), time.monotonic_ns(), read()) for _ in range(50)]
    before, now, after = min(tries, key=lambda t: t[2] - t[0])
    return (before + after) // 2, now


_FIRST_TICKS = _ticks()


def tsc_khz() -> int:
    """
    How fast this machine's time stamp counter is, which is QEMU's without KVM; 0 if it cannot be said. Measured from the
    import of this module on, for 50 ms at least.
    """
    if not _FIRST_TICKS:
        return 0
    time.sleep(max(0.0, (_FIRST_TICKS[1] + 50_000_000 - time.monotonic_ns()) / 1e9))
    now = _ticks()
    return round((now[0] - _FIRST_TICKS[0]) * 1_000_000 / (now[1] - _FIRST_TICKS[1]))


JAM_SECONDS = 200.0
PORTION = 8192  # of the console, in bytes
BACKEND_SECONDS = 120.0  # for its socket to be there, on however busy a machine

_emulators: dict[str, dict[str, str]] = {}


def emulator(arch: str = "x86_64", to_run: bool = False) -> dict[str, str]:
    """
    scripts/emulator's tools for ARCH: QEMU, kernels, the vsock backend. TO_RUN: what an image
    needs to be booted, without the kernels of the tests.
    """
    if arch not in _emulators:
        target = "run" if to_run and arch == "x86_64" else arch
        made = subprocess.run([SCRIPTS / "emulator", "--env", target], text=True,
                              stdout=subprocess.PIPE)
        if made.returncode != 0:
            raise RuntimeError("no emulator, see above")
        _emulators[arch] = dict(line.split("=", 1) for line in made.stdout.splitlines())
    return _emulators[arch]


# Linux fills and copies by single bytes (rep stosb) where a processor says that it is quick at that. QEMU is not. Once a
# program has used MPX's state, QEMU translates the kernel again. AWS's init for arm64 uses instructions that ARMv8.0 lacks.
TCG_CPUS = {"x86_64": "max,-erms,-fsrm,-fsrs,-fzrm,-mpx", "aarch64": "neoverse-n1"}
KVM_SECONDS = 10  # a guest's kernel says its first word in less than one
MICROVM = "microvm,x-option-roms=off,isa-serial=on,acpi=off,pcie=off"
# A console of virtio drops what its character device does not take at once. The log of one waits for its reader,
# and the whole guest with it.
VIRT_CONSOLE = ["-device", "virtio-serial-device", "-chardev", "null,id=con,logfile=/dev/stdout,logappend=on",
                "-device", "virtconsole,chardev=con"]
# By the first of these with which a guest runs. Some hosts have a kernel that cannot be told of MSR 0x10a.
KVM_CPUS = {"x86_64": ("host", "host,-arch-capabilities"), "aarch64": ("host",)}
_kvm_cpus: dict[str, str] = {}
_kvm_lock = threading.Lock()


def kvm_cpu(arch: str) -> str:
    """
    The model of processor with which images for ARCH are booted by KVM; empty: QEMU emulates one, as KVM was not asked for
    or runs no guest here. That is tried once, and told: on some hosts /dev/kvm opens, and guests stand still.
    """
    if os.environ.get("ENCLAVE_INIT_KVM") != "1" or os.uname().machine != arch:
        return ""
    with _kvm_lock:
        if arch not in _kvm_cpus:
            _kvm_cpus[arch] = _find_kvm_cpu(arch)
    return _kvm_cpus[arch]


def _find_kvm_cpu(arch: str) -> str:
    reasons = []
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        reasons = ["/dev/kvm is not there, or not ours to open"]
    for cpu in [] if reasons else KVM_CPUS[arch]:
        if not (reason := _why_no_kvm(arch, cpu)):
            return cpu
        reasons.append(f"-cpu {cpu}: {reason}")
    print(f"emulator: no guest runs by KVM here, so QEMU emulates the processor: {'; '.join(reasons)}", file=sys.stderr, flush=True)
    return ""


def uses_kvm(arch: str) -> bool:
    return bool(kvm_cpu(arch))


def _why_no_kvm(arch: str, cpu: str) -> str:
    """Why a guest with that CPU does not run by KVM, or nothing if its kernel says a word."""
    tools = emulator(arch, to_run=True)
    args: list = [tools["QEMU_" + arch.upper()], *_firmware(tools), "-nodefaults", "-no-user-config", "-display", "none",
                  "-no-reboot", "-accel", "kvm", "-cpu", cpu, "-m", "256"]
    with tempfile.TemporaryDirectory(prefix="ei-", dir=_short_tmp()) as tmp:
        kernel = Path(tmp) / "kernel"
        if arch == "x86_64":
            kernel.write_bytes((kernel_dir(to_run=True) / "bzImage").read_bytes())
            args += ["-M", MICROVM, "-serial", "stdio", "-append", "console=ttyS0 earlyprintk=ttyS0 reboot=t panic=-1"]
        else:
            kernel.write_bytes(Eif.load(aws_image()).kernel)
            args += ["-M", "virt,gic-version=host", *VIRT_CONSOLE, "-append", "console=hvc0 reboot=t panic=-1"]
        qemu = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *map(str, args), "-kernel", kernel],
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        ready, _, _ = select.select([qemu.stdout], [], [], KVM_SECONDS)
        runs = bool(ready and os.read(qemu.stdout.fileno(), 1))
        qemu.kill()
        said = qemu.communicate()[1].decode("utf-8", "replace").strip().splitlines()
    if runs:
        return ""
    return said[0] if said else f"its kernel said nothing for {KVM_SECONDS} s"


def _firmware(tools: dict[str, str]) -> list:
    """The options of QEMU that say where its firmware is."""
    return [o for folder in tools.get("QEMU_DATA", "").split(":") if folder for o in ("-L", folder)]


def kernel_dir(name: str = "module", to_run: bool = False) -> Path:
    return Path(emulator(to_run=to_run)["KERNELS"]) / name


def aws_image() -> Path:
    """AWS's own sample, an image for arm64."""
    return Path(emulator("aarch64")["AWS"]) / "hello.eif"


def image(build: Path, app: Tree, cmd: list[str], env: list[str], config: bytes | None = None,
          files: dict[str, tuple[bytes, int]] | None = None) -> Eif:
    """An image of APP, which runs CMD, with the emulator's kernel and the init in the folder BUILD; FILES lie beside it."""
    kernel = kernel_dir(to_run=True)
    boot = boot_ramdisk((build / "x86_64/init").read_bytes(), {"nsm.ko": (kernel / "nsm.ko").read_bytes()}, files=files)
    ramdisks = [boot, app_ramdisk(app, lines(cmd), lines(env), config=config)]
    return Eif((kernel / "bzImage").read_bytes(), CMDLINES["x86_64"], [r.cpio() for r in ramdisks])


def hello(build: Path, config: bytes | None = None) -> Eif:
    """An image of the init, the hello application and the tool nsm that are in the folder BUILD, with that CONFIG."""
    app, built = Tree(), build / "x86_64"
    app.file("bin/hello", (built / "hello").read_bytes(), 0o755)
    return image(build, app, ["/bin/hello"], ["HELLO=Hello from the enclave side!"], config,
                 files={"nsm": ((built / "nsm").read_bytes(), 0o755)})


UP = "init: spawn: "  # a line of our init, after the modules
LINK_PORTS = (17000, 17001, 17003)  # of an enclave: status, log, control; docs/link.md
DOCUMENTS = ("open", "definite", "unsigned")  # the forms of attestation documents


def nsm_root(arch: str = "x86_64") -> Path:
    """The root certificate below which the emulated NSM signs, as PEM; its key lies beside it."""
    return Path(emulator(arch, to_run=True)["NSM_ROOT"])


@dataclass
class Result:
    """What was seen of a machine; times are seconds since QEMU started."""
    console: list[tuple[float, str]] = field(default_factory=list)
    parent: list[dict] = field(default_factory=list)  # parent.py's events, "at" added
    unsigned: str = ""  # why the NSM could not sign, in the words of its preload library
    complaints: list[str] = field(default_factory=list)  # what QEMU said of itself
    ended: str = ""  # "restarted", "stopped" (by until), "deadline"
    seconds: float = 0.0

    @property
    def text(self) -> str:
        return "\n".join(line for _, line in self.console)

    @property
    def received(self) -> list[str]:
        """The bytes the parent got, one hex string a connection or read."""
        return [e["byte"] for e in self.parent if e["event"] == "received"]

    @property
    def panicked(self) -> bool:
        return "Kernel panic" in self.text

    def heartbeat(self) -> float | None:
        """When the parent received a positive heartbeat."""
        return next((e["at"] for e in self.parent
                     if e["event"] == "received" and e["byte"].startswith("b7")), None)

    def when(self, pattern: str) -> float | None:
        """When the first console line that matches came."""
        return next((t for t, line in self.console if re.search(pattern, line)), None)


@dataclass
class Machine:
    """
    One boot of an image. MODE is "nitro" (QEMU's nitro-enclave machine), "microvm" (no PCR is
    locked, and nsm=False leaves the NSM out) or "virt" (arm64); by default what fits the image.
    APPEND goes behind the image's command line. KERNEL replaces the image's. JAM: behind a line
    that matches, the console takes nothing more until the machine has ended, or for JAM_SECONDS.
    FOLDER, which exists and stays, has the sockets by which a parent on this machine speaks to the guest:
    PORT.listen, which connects to a port of PORTS in the guest, once that is up; PORT.sock, where the guest finds who
    listens at that port of the parent. CID is the guest's own. BACKEND: a socket of a vsock backend that runs already.
    DOCUMENTS: what attestation documents are like: "open", signed, the payload a map of indefinite
    length, as AWS's since 2025; "definite", signed, as AWS's before; "unsigned", QEMU's own.
    """
    eif: Eif
    mode: str = ""
    memory: int = 512  # MiB
    cpu: str = ""
    cpus: int = 1
    icount: bool = False  # one ns an instruction, idle time skipped
    append: str = "reboot=t panic=-1"
    kernel: bytes | None = None
    nsm: bool = True
    module_id: str = "i-0123456789abcdef0-enc0"
    role: str = ""  # ARN of the parent instance's role, which PCR3 measures
    parent: tuple[str, ...] = ()  # options of parent.py
    folder: Path | None = None
    ports: tuple[int, ...] = LINK_PORTS
    cid: int = 4
    backend: Path | None = None
    timeout: float = 300.0
    jam: str = ""
    documents: str = DOCUMENTS[0]
    on_line: Callable[[float, str], None] | None = None
    on_event: Callable[[dict], None] | None = None

    def run(self, until: str = "") -> Result:
        """Boots it, and returns when it ended, a line matched UNTIL, or time was up."""
        with nullcontext(self.folder) if self.folder else tempfile.TemporaryDirectory(prefix="ei-", dir=_short_tmp()) as tmp:
            self._tmp, self._result, self._children = Path(tmp), Result(), []
            self._matched, self._until = threading.Event(), re.compile(until) if until else None
            self._ended = threading.Event()
            try:
                self._run()
            finally:
                for child in reversed(self._children):
                    child.kill()
                    child.wait()
        return self._result

    def _run(self) -> None:
        tools, tmp = emulator(self.eif.arch), self._tmp
        if not self.icount:
            kvm_cpu(self.eif.arch)  # a try of KVM is no time of the enclave's
        self._start = time.monotonic()
        backend = None if self.backend else self._start_backend(tools)
        parent = Parent(tmp, self._parent_event, self.parent)
        try:
            self._run_guest(tools, tmp)
        finally:
            # With the backend gone every connection ends, and the parent tells the rest.
            if backend:
                backend.terminate()
                backend.wait()
            parent.stop()

    def _run_guest(self, tools: dict[str, str], tmp: Path) -> None:
        self._start = time.monotonic()
        qemu = self._spawn(self._qemu(tools), stdout=subprocess.PIPE, log="qemu.log",
                           env=os.environ | self._preload(tools))
        console = self._follow(qemu, self._console_line)
        deadline = self._start + self.timeout
        while qemu.poll() is None and not self._matched.is_set() and time.monotonic() < deadline:
            self._matched.wait(0.02)
        self._result.seconds = time.monotonic() - self._start
        self._ended.set()
        if qemu.poll() is None:
            self._result.ended = "stopped" if self._matched.is_set() else "deadline"
            qemu.kill()
        elif qemu.returncode == 0:
            self._result.ended = "restarted"
        else:
            raise RuntimeError("QEMU: " + (tmp / "qemu.log").read_text().strip())
        console.join()
        said = (tmp / "qemu.log").read_text(errors="replace")
        self._result.complaints = [line for line in said.splitlines() if line and not line.startswith("nsm-preload: ")]
        self._result.unsigned = "".join(re.findall("^nsm-preload: (.*)$", said, re.MULTILINE)[:1])

    def _start_backend(self, tools: dict[str, str]) -> subprocess.Popen:
        tmp = self._tmp
        ports = "+".join(map(str, self.ports))
        backend = self._spawn(
            [tools["VHOST_VSOCK"], "--vm", f"guest-cid={self.cid},forward-cid=1,forward-listen={ports},"
             f"socket={tmp}/vhost.sock"], stdout=subprocess.DEVNULL, log="backend.log",
            env=os.environ | {"LD_PRELOAD": tools["VSOCK_PRELOAD"], "VSOCK_DIR": str(tmp)})
        while not listens(tmp / "vhost.sock"):
            if backend.poll() is not None or time.monotonic() > self._start + BACKEND_SECONDS:
                raise RuntimeError("vhost-device-vsock: " + ((tmp / "backend.log").read_text().strip() or
                                                             f"no socket within {BACKEND_SECONDS:.0f} s"))
            time.sleep(0.01)
        return backend

    def _open_ports(self) -> None:
        """
        The guest has vsock now. With a connection that came before, the backend loses its first turn with the guest every
        now and then, and all connections with it.
        """
        for port in self.ports:
            with suppress(FileNotFoundError):
                (self._tmp / f"{port}.early").rename(self._tmp / f"{port}.listen")

    def _spawn(self, args: list, log: str, **kw) -> subprocess.Popen:
        # setpriv: nothing outlives us, however we end.
        args = ["setpriv", "--pdeathsig", "KILL", *map(str, args)]
        with open(self._tmp / log, "wb") as err:
            child = subprocess.Popen(args, stdin=subprocess.DEVNULL, stderr=err, **kw)
        self._children.append(child)
        return child

    def _follow(self, child: subprocess.Popen, take: Callable) -> threading.Thread:
        def loop() -> None:
            # QEMU writes each byte by itself. A turn of this thread for each would be a twentieth of what a boot takes. Of a
            # slow reader a larger portion would be a pause in which the console takes nothing.
            begun = b""
            while more := os.read(child.stdout.fileno(), PORTION):
                *whole, begun = (begun + more).split(b"\n")
                for line in whole:
                    take(line)
                if len(more) < PORTION:
                    time.sleep(0.005)
            if begun:
                take(begun)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        return thread

    def _console_line(self, raw: bytes) -> None:
        line = raw.decode("utf-8", "replace").strip("\r\n")
        now = time.monotonic() - self._start
        self._result.console.append((now, line))
        if self.on_line:
            self.on_line(now, line)
        if UP in line:
            self._open_ports()
        if self._until and self._until.search(line):
            self._matched.set()
        if self.jam and re.search(self.jam, line):
            self._ended.wait(JAM_SECONDS)

    def _parent_event(self, event: dict) -> None:
        event["at"] = time.monotonic() - self._start
        self._result.parent.append(event)
        if event["event"] == "connected":
            self._open_ports()
        if self.on_event:
            self.on_event(event)

    def _preload(self, tools: dict[str, str]) -> dict[str, str]:
        """The variables by which QEMU's NSM signs."""
        if self.documents not in DOCUMENTS:
            raise ValueError(f"documents: '{self.documents}' is none of {' '.join(DOCUMENTS)}")
        if self.documents == "unsigned":
            return {}
        return {"LD_PRELOAD": tools["NSM_PRELOAD"], "NSM_PRELOAD_FORM": self.documents,
                "NSM_PRELOAD_ROOT": os.path.dirname(tools["NSM_ROOT"])}

    def _qemu(self, tools: dict[str, str]) -> list:
        eif, tmp = self.eif, self._tmp
        if self.kernel:
            eif = replace(eif, kernel=self.kernel)
        mode = self.mode or {"x86_64": "nitro", "aarch64": "virt"}[eif.arch]
        kvm = "" if self.icount else kvm_cpu(eif.arch)
        cpu = self.cpu or kvm or TCG_CPUS[eif.arch]
        args: list = [tools["QEMU_" + eif.arch.upper()], *_firmware(tools)]
        args += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
                 "-accel", "kvm" if kvm else "tcg", "-cpu", cpu, "-smp", self.cpus,
                 "-m", self.memory, "-chardev", f"socket,id=vsock,path={self.backend or tmp / 'vhost.sock'}"]
        # The NSM answers in the thread of the guest's processor. In QEMU's main loop it also runs once for nothing, when the
        # driver is ready, and if that is late and falls between the two buffers of a request, which the driver adds one by
        # one, QEMU takes the device for broken: no answer for 120 s.
        args += ["-global", "virtio-mmio.ioeventfd=off"]
        if self.icount:
            args += ["-icount", "shift=0,sleep=off"]
        append = self.append
        if eif.arch == "x86_64" and not kvm:
            # The calibration of the local APIC's timer is a busy wait of 0.2 s, and of 15 s with icount. And Linux
            # panics ("IO-APIC + timer doesn't work") where ten ticks bring no four interrupts, which is what happens
            # when this machine has no time for QEMU meanwhile. Linux leaves out that check by itself under KVM.
            append += " nolapic_timer"
            # With one processor Linux takes the lock prefixes out of its code: 3,000 writes into what QEMU has translated,
            # a tenth of what a boot takes of a processor.
            append += " noreplace-smp no_timer_check"
            # For the same reason Linux cannot measure its time stamp counter against the timer ("Unable to calibrate
            # against PIT"). It would count ticks instead, of which some are lost, and all that it times would be late.
            if not self.icount and (khz := tsc_khz()):
                append += f" tsc_early_khz={khz} tsc=reliable"
        if mode == "nitro":
            (tmp / "x.eif").write_bytes(eif.pack())
            role = f",parent-role={self.role}" if self.role else ""
            return args + ["-M", f"nitro-enclave,vsock=vsock,id={self.module_id}{role}",
                           "-serial", "stdio", "-kernel", tmp / "x.eif", "-append", append]

        (tmp / "kernel").write_bytes(eif.kernel)
        (tmp / "initrd").write_bytes(b"".join(eif.ramdisks))
        # By KVM it is the host's interrupt controller, whichever that is.
        machine = {"microvm": MICROVM, "virt": f"virt,gic-version={'host' if kvm else 3}"}[mode]
        args += ["-M", machine + ",memory-backend=mem",
                 "-object", f"memory-backend-memfd,id=mem,size={self.memory}M,share=on",
                 "-global", "virtio-mmio.force-legacy=off",
                 "-device", "vhost-user-vsock-device,chardev=vsock",
                 "-kernel", tmp / "kernel", "-initrd", tmp / "initrd"]
        if self.nsm:
            args += ["-device", f"virtio-nsm-device,module-id={self.module_id}"]
        if mode == "virt":
            # AWS's arm64 kernel has no driver for the machine's UART.
            append = "console=hvc0 " + append
            args += VIRT_CONSOLE
        else:
            args += ["-serial", "stdio"]
        return args + ["-append", f"{eif.cmdline} {append}"]


def listens(path: Path) -> bool:
    """
    Whether a socket at PATH takes connections, which it does not as soon as it is there. Nobody connects to find that out.
    relay calls a socket PATH that was bound to another name, PATH.PID.
    """
    accepts = 0x10000  # __SO_ACCEPTCON
    sockets = (line.split(None, 7) for line in Path("/proc/net/unix").read_text(errors="replace").splitlines()[1:])
    return path.exists() and any(f"{s[7]}.".startswith(f"{path}.") and int(s[3], 16) & accepts for s in sockets if len(s) == 8)


def _short_tmp() -> str:
    """A folder for sockets, whose paths must stay below 108 bytes."""
    tmp = tempfile.gettempdir()
    return tmp if len(tmp) < 60 else "/tmp"

