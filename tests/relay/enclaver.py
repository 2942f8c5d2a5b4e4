"""A stand-in for enclaver's parent, enclaver-run: what it makes of the status and the log of an enclave."""

import json


class EnclaverParent:
    """
    Reads the status port's lines as enclaver-run does: a union by "status", in which a code and a
    signal are numbers of 32 bits; other members are ignored. A line that is none of them, or longer
    than 1024 bytes, is logged, and it waits on.
    """

    LINE_MAX = 1024
    LOG_LINE_MAX = 4096

    def __init__(self) -> None:
        self.rest = b""
        self.is_running = False
        self.has_ended = False
        self.code: int | None = None    # of "exited"
        self.signal: int | None = None  # of "signaled"
        self.error: str | None = None   # of "fatal"
        self.errors: list[str] = []     # what it logs

    def feed(self, data: bytes) -> "EnclaverParent":
        *lines, self.rest = (self.rest + data).split(b"\n")
        for text in lines:
            for part in self.parts(text, self.LINE_MAX):
                self.line(part)
        return self

    @staticmethod
    def parts(text: bytes, most: int) -> list[bytes]:
        """A line that is longer comes as several."""
        return [text[i:i + most] for i in range(0, max(len(text), 1), most)]

    @classmethod
    def log_lines(cls, data: bytes) -> list[bytes]:
        """What it prints of the log port's bytes."""
        return [part for text in data.removesuffix(b"\n").split(b"\n") for part in cls.parts(text, cls.LOG_LINE_MAX)]

    def line(self, text: bytes) -> None:
        try:
            record = json.loads(text)
            status = record["status"]
            if status == "running":
                self.is_running = True
            elif status == "exited":
                self.code = number(record["code"])
                self.has_ended = True
            elif status == "signaled":
                self.signal = number(record["signal"])
                self.has_ended = True
            elif status == "fatal":
                if not isinstance(record["error"], str):
                    raise TypeError("error")
                self.error = record["error"]
                self.has_ended = True
            else:
                raise ValueError(status)
        except (ValueError, KeyError, TypeError) as e:
            self.errors.append(f"{text!r}: {e!r}")


def number(value: object) -> int:
    """An i32: no truth, no fraction, no text."""
    if type(value) is not int or not -(1 << 31) <= value < 1 << 31:
        raise TypeError(f"no number: {value!r}")
    return value
