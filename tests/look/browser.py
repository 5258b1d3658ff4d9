"""A headless Chromium that is asked through its DevTools protocol, with the web-socket client that Dask brings."""

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tornado.websocket import WebSocketClientConnection, websocket_connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars", "--enable-unsafe-swiftshader",
    "--use-angle=swiftshader", "--no-first-run", "--disable-background-networking", "--remote-debugging-port=0",
)  # fmt: skip


def executable() -> str | None:
    """The browser: what the variable BROWSER_PATH says, else a Chromium on the path."""
    told = os.environ.get("BROWSER_PATH")
    return told or next((found for name in NAMES if (found := shutil.which(name))), None)


class Page:
    """One page of the browser."""

    def __init__(self, socket: WebSocketClientConnection):
        self._socket, self._last = socket, 0
        self.events: list[dict[str, Any]] = []
        """What it said without being asked: console messages, exceptions, requests."""

    async def ask(self, method: str, **arguments: Any) -> dict[str, Any]:
        self._last += 1
        await self._socket.write_message(json.dumps({"id": self._last, "method": method, "params": arguments}))
        while True:
            message = await self._socket.read_message()
            if message is None:
                raise RuntimeError(f"the browser left while it was asked {method}")
            found = json.loads(message)
            if found.get("id") == self._last:
                if "error" in found:
                    raise RuntimeError(f"{method}: {found['error']}")
                return found["result"]
            self.events.append(found)

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript gives, awaited where it is a promise."""
        found = await self.ask("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(f"{expression}: {found['exceptionDetails']}")
        return found["result"].get("value")


@contextmanager
def browser(path: str) -> Iterator[str]:
    """Run it; gives the address of a page to connect to."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        words = [path, *FLAGS, f"--user-data-dir={folder}", "about:blank"]
        process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            yield _address(Path(folder) / "DevToolsActivePort", process)
        finally:
            process.terminate()
            process.wait(20)


def _address(port_file: Path, process: subprocess.Popen[bytes]) -> str:
    for _ in range(600):
        if process.poll() is not None:
            raise RuntimeError(f"the browser ended with status {process.returncode}")
        if port_file.exists() and len(lines := port_file.read_text().split()) == 2:
            return f"ws://127.0.0.1:{lines[0]}{lines[1]}"
        time.sleep(0.1)
    raise RuntimeError("the browser did not say its port within a minute")


async def page(address: str) -> Page:
    """A new page of the browser at an address."""
    root = Page(await websocket_connect(address, max_message_size=1 << 28))
    target = (await root.ask("Target.createTarget", url="about:blank"))["targetId"]
    base = address.split("/devtools/")[0]
    return Page(await websocket_connect(f"{base}/devtools/page/{target}", max_message_size=1 << 28))
