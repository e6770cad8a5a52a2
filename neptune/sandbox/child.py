"""What runs in the sandbox: takes blocks of code from a pipe, runs them, sends back what came of them.

Run as a script by the Python of the sandbox, never imported here: it needs the standard library alone. It sets its own
limits before it reads the first block. A message is its length in four bytes and as many bytes: first JSON, then one
message for each picture that it names, as PNG.
"""

from __future__ import annotations

import ast
import builtins
import io
import json
import linecache
import os
import resource
import shutil
import struct
import sys
import traceback
from collections.abc import Sequence
from typing import Any, BinaryIO

MOST_VALUES, MOST_VALUE_CHARS = 40, 300


class Answered(BaseException):
    """A ``return`` outside any function: the answer to the question."""


class Printed(io.TextIOBase):
    """What a block prints, of which only the beginning and the end are kept."""

    def __init__(self, most: int) -> None:
        self.half = max(most // 2, 1)
        self.head, self.tail, self.length = "", "", 0

    def writable(self) -> bool:
        """Tell that it can be written to."""
        return True

    def write(self, text: str) -> int:
        """Take text in."""
        said = str(text)
        self.length += len(said)
        room = self.half - len(self.head)
        if room > 0:
            self.head += said[:room]
            said = said[room:] if len(said) > room else ""
        if said:
            self.tail = (self.tail + said[-self.half :])[-self.half :]
        return len(text)

    def text(self) -> str:
        """Return what is kept, and how much is not."""
        left_out = self.length - len(self.head) - len(self.tail)
        gap = f"\n[… {left_out} characters left out …]\n" if left_out else ""
        return self.head + gap + self.tail


class Shown:
    """The pictures that a block shows, as PNG."""

    def __init__(self, most: int, pixels: int) -> None:
        self.most, self.pixels = most, pixels
        self.pictures: list[bytes] = []
        self.left_out = 0

    def take(self, picture: Any) -> None:
        """Take a picture in: of Pillow, an array of heights × widths (× 1, 3 or 4), or a figure of matplotlib."""
        if hasattr(picture, "savefig"):
            kept = io.BytesIO()
            picture.savefig(kept, format="png", bbox_inches="tight")
            self.png(kept.getvalue())
            return
        from PIL import Image

        if not isinstance(picture, Image.Image):
            picture = Image.fromarray(as_bytes(picture))
        if picture.width * picture.height > self.pixels:
            raise ValueError(f"a picture of {picture.width} x {picture.height} pixels is too large to be shown")
        kept = io.BytesIO()
        picture.convert("RGB").save(kept, format="PNG")
        self.png(kept.getvalue())

    def png(self, png: bytes) -> None:
        """Take a picture in that is PNG already."""
        if len(self.pictures) < self.most:
            self.pictures.append(png)
        else:
            self.left_out += 1


def as_bytes(array: Any) -> Any:
    """Return an array as one of bytes: truths as black and white, fractions of 1 as parts of 255."""
    import numpy

    values = numpy.asarray(array)
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    if values.dtype == bool:
        return values.astype("uint8") * 255
    if values.dtype.kind == "f":
        values = values * 255 if values.size and float(values.max()) <= 1.0 else values
    return numpy.clip(values, 0, 255).astype("uint8")


class Child:
    """Runs blocks one after the other; what they define stays."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings
        self.shown = Shown(settings["pictures"], settings["picture_pixels"])
        self.names: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins, "show": self.show}
        self.blocks = 0
        sys.modules["sandbox_child"] = sys.modules["__main__"]
        self.names["plt"] = Late("matplotlib.pyplot", self.names, "plt")
        self.names["np"] = Late("numpy", self.names, "np")
        self.names["cv2"] = Late("cv2", self.names, "cv2")
        builtins.sandbox_shows = self.figure  # type: ignore[attr-defined]

    def show(self, *pictures: Any) -> None:
        """Show pictures to who asked."""
        for picture in pictures:
            self.shown.take(picture)

    def figure(self, picture: Any) -> None:
        """Show a figure of matplotlib, or a picture by its own ``show``."""
        self.shown.take(picture)

    def give(self, name: str, png: bytes) -> None:
        """Bind a picture to a name."""
        from PIL import Image, ImageShow

        picture = Image.open(io.BytesIO(png))
        picture.load()
        self.names[name] = picture
        self.names.setdefault("Image", Image)

        class Viewer(ImageShow.Viewer):
            """What a picture's own ``show`` calls."""

            def show(self, image: Any, **_: Any) -> int:
                """Take the picture in."""
                builtins.sandbox_shows(image)  # type: ignore[attr-defined]
                return 1

        ImageShow._viewers[:] = [Viewer()]

    def run(self, code: str) -> dict[str, Any]:
        """Run a block; return what is said of it, without its pictures."""
        self.blocks += 1
        self.shown.pictures, self.shown.left_out = [], 0
        printed = Printed(self.settings["text_chars"])
        before = dict(self.names)
        said: dict[str, Any] = {"answers": [], "error": None}
        out, err = sys.stdout, sys.stderr
        sys.stdout = sys.stderr = printed
        try:
            self._execute(code, f"<block {self.blocks}>")
        except Answered as answered:
            said["answers"] = [plain(answered.args[0])]
        except MemoryError:
            said["error"] = {"type": "MemoryError", "message": "the memory limit was met", "line": 0, "trace": ""}
        except BaseException as error:
            said["error"] = self._fault(error)
        finally:
            sys.stdout, sys.stderr = out, err
        said["text"] = printed.text()
        said["characters"] = printed.length
        said["left_out"] = self.shown.left_out
        said["values"] = self._values(before)
        return said

    def _execute(self, code: str, name: str) -> None:
        """Run code as a notebook does: a last expression is printed, a ``return`` ends it with an answer."""
        linecache.cache[name] = (len(code), None, code.splitlines(keepends=True), name)
        tree = ast.fix_missing_locations(Returns().visit(ast.parse(code, name)))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        self.names["sandbox_answers"] = answer
        exec(compile(tree, name, "exec"), self.names)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), self.names)
            if value is not None:
                print(repr(value))

    def _fault(self, error: BaseException) -> dict[str, Any]:
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename.startswith("<block ")]
        line = frames[-1].lineno if frames else getattr(error, "lineno", 0)
        trace = "".join(traceback.format_list(frames[-4:]))
        message = str(error)[:1000]
        return {"type": type(error).__name__, "message": message, "line": int(line or 0), "trace": trace[-2000:]}

    def _values(self, before: dict[str, Any]) -> dict[str, Any]:
        """Return the plain values of the names that the block bound, each within some hundred characters."""
        found: dict[str, Any] = {}
        for name, value in list(self.names.items()):
            new = name not in before or before[name] is not value
            if new and not name.startswith("_") and name != "sandbox_answers" and len(found) < MOST_VALUES:
                if type(value) in (bool, int, float, str) and len(repr(value)) <= MOST_VALUE_CHARS:
                    found[name] = plain(value)
                elif hasattr(value, "__code__"):
                    found[name] = "function"
        return found


class Late:
    """A module that is loaded when it is used first: matplotlib and OpenCV take a while."""

    def __init__(self, module: str, names: dict[str, Any], name: str) -> None:
        self.__dict__.update(module=module, names=names, name=name)

    def __getattr__(self, attribute: str) -> Any:
        import importlib

        module = importlib.import_module(self.__dict__["module"])
        if self.names.get(self.__dict__["name"]) is self:
            self.names[self.__dict__["name"]] = module
        return getattr(module, attribute)


class Returns(ast.NodeTransformer):
    """Makes a ``return`` outside any function an answer."""

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        """Make it a call that ends the block."""
        value = node.value if node.value is not None else ast.Constant(None)
        call = ast.Call(ast.Name("sandbox_answers", ast.Load()), [value], [])
        return ast.copy_location(ast.Expr(call), node)

    def _inside(self, node: Any) -> Any:
        return node

    visit_FunctionDef = visit_AsyncFunctionDef = visit_ClassDef = visit_Lambda = _inside


def answer(value: Any) -> None:
    """End the block with an answer."""
    raise Answered(value)


def plain(value: Any) -> Any:
    """Return a value as JSON has it: numbers of NumPy as numbers, what it has not as text."""
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:
        value = value.item()
    if isinstance(value, list | tuple) and len(value) <= MOST_VALUES:
        return [plain(v) for v in value]
    if value is None or isinstance(value, bool | int | str) or (isinstance(value, float) and value - value == 0):
        return value[:10_000] if isinstance(value, str) else value if not _huge(value) else str(value)[:100]
    return str(value)[:10_000]


def _huge(value: Any) -> bool:
    return isinstance(value, int) and value.bit_length() > 1000


# --- the pipe ---


def read(pipe: BinaryIO) -> bytes:
    """Return the next message; the end of the pipe ends the child."""
    head = pipe.read(4)
    if len(head) < 4:
        os._exit(0)
    (length,) = struct.unpack(">I", head)
    return pipe.read(length)


def write(pipe: BinaryIO, messages: Sequence[bytes]) -> None:
    """Send messages."""
    for message in messages:
        pipe.write(struct.pack(">I", len(message)) + message)
    pipe.flush()


def limit(settings: dict[str, Any]) -> None:
    """Set this process's limits, for good: they can only be lowered later."""
    megabyte = 1 << 20
    amounts = {
        resource.RLIMIT_AS: settings["memory_mb"] * megabyte,
        resource.RLIMIT_CPU: settings["cpu_seconds"],
        resource.RLIMIT_FSIZE: settings["disk_mb"] * megabyte,
        resource.RLIMIT_NOFILE: settings["open_files"],
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NPROC: 1,
    }
    for kind, amount in amounts.items():
        resource.setrlimit(kind, (amount, amount))


def main() -> None:
    """Serve blocks until the pipe ends."""
    asked, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.closerange(max(asked.fileno(), replies.fileno()) + 1, 1 << 16)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    settings = json.loads(read(asked))
    limit(settings)
    if os.path.isdir("/.sandbox-fonts"):
        for name in os.listdir("/.sandbox-fonts"):
            shutil.copyfile(f"/.sandbox-fonts/{name}", os.path.join(os.environ["MPLCONFIGDIR"], name))
    write(replies, [json.dumps({"ready": settings["ready"]}).encode()])
    child = Child(settings)
    while True:
        request = json.loads(read(asked))
        for name in request["pictures"]:
            child.give(name, read(asked))
        said = child.run(request["code"])
        said["id"], pictures = request["id"], child.shown.pictures
        said["pictures"] = len(pictures)
        write(replies, [json.dumps(said).encode(), *pictures])


if __name__ == "__main__":
    main()
