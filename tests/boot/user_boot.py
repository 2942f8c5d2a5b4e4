"""3 and 8: as whom, where and by what signal the configuration has the application run and stop."""

from pathlib import Path

from .aws_boot import aws_ramdisks
from .lib import Boot, Tree, boot, built, check, image, same, shared, test

CONFIG = """user = app
terminal = yes
workdir = /srv/my app
stop-signal = SIGQUIT
command = act onto /dev/stdout exec ../bin/probe
environment = "A=two\\nlines" "PATH=../bin:/bin"
"""


def people() -> Tree:
    files = Tree()
    files.file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\napp:x:1000:1001::/home/app:\n")
    files.file("etc/group", "root:x:0:\napps:x:1001:\nmore:x:2002:other,app\n")
    files.dir("srv/my app")
    files.dir("srv/bin")
    files.link("srv/bin/probe", "/bin/probe")
    return files


def expect_user(b: Boot) -> None:
    """The probe's facts with CONFIG; it writes to /dev/stdout opened anew."""
    for key, wanted in (("Uid", "1000"), ("Gid", "1001")):
        same(b.fact(f"self.{key}").split("\\x09"), [wanted] * 4, key)
    same(b.fact("self.Groups").split(), ["1001", "2002"], "the groups")
    b.expect(cwd="/srv/my app", tty="ok", foreground=b.fact("pid"))
    same(b.path("/dev/console"), "020620 1000:5", "the console")
    same(b.path("/dev/nsm"), "020660 0:1001", "the device")
    same(sorted(b.all("env")), ["[A=two\\x0alines]", "[HOME=/home/app]", "[LOGNAME=app]",
                                  "[PATH=../bin:/bin]", "[SHELL=/bin/sh]", "[USER=app]"],
         "the environment")
    same(b.all("arg"), ["[../bin/probe]"], "the arguments")
    b.expect_end("../bin/act", "exited with code 0")
    b.expect_heartbeat()
    same(len(b.log), 2, "lines of log")


@test()
def user_workdir_and_command_of_the_configuration():
    """The application is that user, there, and may open its console; there is no /cmd."""
    files = people()
    files.link("srv/bin/act", "/bin/act")
    expect_user(boot(image(no_cmd=True, files=files, config=CONFIG)))


@shared
def several() -> Boot:
    """Users one after the other: one without output, the application, which looks at the console, and one with output; then an end."""
    files = people()
    for name in ("sh", "stat"):
        files.file(f"bin/{name}", Path("/bin/busybox").read_bytes(), 0o755)
    files.file("bin/root", built("apps/act"), 0o4755)
    files.file("loud", "act say opened make /tmp/opened >/dev/stdout && exec act sleep 600000\n")
    files.file("script", """
stat -c '@console=%a %u:%g' /dev/console >/dev/stdout
act notify READY=1 await /tmp/opened
stat -c '@console=%a %u:%g' /dev/console >/dev/stdout
exec root tell-init 15 sleep 600000
""")
    return boot(image(files=files, config="""
command = sh /script
user = app
stop-signal = SIGQUIT
ready = notify
after = silent
[silent]
command = act sleep 600000
user = 77
stdout = null
stderr = null
[loud]
command = sh /loud
user = 77
after = main
"""))


@test()
def a_console_of_two_users_is_for_all_to_write():
    """One without output leaves it; the first user owns it, the second makes it 0622 and may open it, too."""
    b = several()
    same(b.all("console"), ["620 1000:5", "622 1000:5"], "the console with one user, and with two")
    b.expect(say="opened")


@test()
def stop_signal_comes_for_term():
    """PID 1 is told TERM, by a program that may; the application gets QUIT."""
    several().expect_end("/bin/sh", "killed by SIGQUIT")


@test()
def user_that_is_not_there_stops():
    """The parent is told so by the step's number, the console by the name and the file."""
    boot(image(files=people(), config="user = nobody")).expect_stop(
        8, "init: spawn: user nobody: not in /etc/passwd")


@test(8)
def user_on_4_14():
    """On AWS's arm64 kernel, the same."""
    files = people()
    files.link("srv/bin/act", "/bin/act")
    for name in "probe", "act":
        files.file(f"bin/{name}", built(f"apps/{name}", "aarch64"), 0o755)
    b = boot(aws_ramdisks(files, "/bin/nosuch", config=CONFIG.encode()), append="panic=-1")
    check(b.fact("kernel").startswith("4.14."), b.fact("kernel"))
    expect_user(b)
