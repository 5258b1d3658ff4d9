"""Open reports in headless Chromium: no error in its console, no request, and every plot has drawn something.

python tests/look/look.py [FOLDER]     # keeps the pages and a picture of each there
"""

import asyncio
import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

# the datasets come from helpers of the tests
sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from browser import Page, browser, executable, page  # noqa: E402
from reports import CASES  # noqa: E402

from trajloom import report  # noqa: E402

EMPTY = """
[...document.querySelectorAll(".plot")].map((plot, i) => {
  if (plot._fullLayout && plot._fullLayout.scene) {
    const scene = plot._fullLayout.scene._scene;
    const url = scene ? scene.toImage("png") : "";
    return [i, url.length];
  }
  return [i, plot.querySelectorAll(".trace path, .points path, .point").length];
})
"""
"""How much each plot has drawn: marks, or the size of the picture of a scene."""
LEAST_SCENE = 4000
"""Letters of the picture of a scene in which something is to be seen; an empty one has a third."""


async def look(address: str, file: Path, dark: bool) -> list[str]:
    """What is wrong with a page; a picture of it is left beside it."""
    here = await page(address)
    scheme = "dark" if dark else "light"
    for domain in ("Runtime", "Page", "Log", "Network"):
        await here.ask(f"{domain}.enable")
    await here.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
    await here.ask("Emulation.setDeviceMetricsOverride", width=1200, height=900, deviceScaleFactor=1, mobile=False)
    await here.ask("Page.navigate", url=file.as_uri())
    plots = await _drawn(here)
    faults = [] if plots is not None else ["the plots were not drawn within a minute"]
    for number, marks in await here.value(EMPTY):
        scene = await here.value(f"Boolean(document.querySelectorAll('.plot')[{number}]._fullLayout?.scene)")
        if marks < (LEAST_SCENE if scene else 1):
            faults.append(f"plot {number} is empty ({marks})")
    faults += [fault for event in here.events if (fault := _fault(event, file.as_uri()))]
    height = await here.value("document.documentElement.scrollHeight")
    await here.ask("Emulation.setDeviceMetricsOverride", width=1200, height=height, deviceScaleFactor=1, mobile=False)
    await asyncio.sleep(0.5)
    picture = await here.ask("Page.captureScreenshot", format="png")
    file.with_suffix(f".{scheme}.png").write_bytes(base64.b64decode(picture["data"]))
    return faults


async def _drawn(here: Page) -> int | None:
    for _ in range(240):
        drawn = await here.value("document.body && document.body.dataset.drawn || null")
        if drawn is not None:
            return int(drawn)
        await asyncio.sleep(0.25)
    return None


def _fault(event: dict[str, Any], address: str) -> str | None:
    """What is wrong according to an event."""
    method, said = event.get("method"), event.get("params", {})
    if method == "Runtime.exceptionThrown":
        return f"an exception: {said['exceptionDetails'].get('exception', {}).get('description', said)}"
    if method == "Runtime.consoleAPICalled" and said["type"] in ("error", "warning", "assert"):
        return f"console: {[argument.get('value', argument.get('description')) for argument in said['args']]}"
    if method == "Log.entryAdded" and said["entry"]["level"] == "error":
        return f"log: {said['entry']['text']}"
    if method == "Network.requestWillBeSent" and not said["request"]["url"].startswith((address, "data:", "blob:")):
        return f"it asks for {said['request']['url']}"
    return None


def main(folder: Path) -> int:
    path = executable()
    if path is None:
        print("not run: the look at reports, because there is no Chromium (apt-get install chromium, or BROWSER_PATH)")
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    passed, failed = 0, 0
    with browser(path) as address:
        for name, make in CASES.items():
            data = make()
            if data is None:
                print(f"not run: {name}, because its data is absent")
                continue
            file = folder / f"{name}.html"
            report.write(data, file, overwrite=True)
            for dark in (False, True):
                faults = asyncio.run(look(address, file.resolve(), dark))
                passed, failed = passed + (not faults), failed + bool(faults)
                said = f"{'dark' if dark else 'light'}, {file.stat().st_size / 1e6:.1f} MB"
                print(f"{name} ({said}): {faults or 'drawn'}")
    print(f"{passed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(main(Path(sys.argv[1])))
    with tempfile.TemporaryDirectory() as temporary:
        sys.exit(main(Path(temporary)))
