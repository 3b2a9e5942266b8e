"""Pages as a browser shows them, where a Chromium is installed."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = next((found for name in NAMES if (found := shutil.which(name))), None)
_LOOK = """
<script>
const charts = [...document.querySelectorAll("div.scroll > svg")].map(svg => {
  const {width, height} = svg.getBoundingClientRect(), box = svg.getBBox();
  const marks = [...svg.querySelectorAll("circle, path, rect, line, polyline")];
  const drawn = marks.filter(mark => {
    const style = getComputedStyle(mark);
    return style.fill !== "none" || style.stroke !== "none";
  });
  return {width, height, inside: box.x >= 0 && box.y >= -1 && box.x + box.width <= svg.viewBox.baseVal.width
    && box.y + box.height <= svg.viewBox.baseVal.height, marks: marks.length, drawn: drawn.length};
});
document.body.dataset.charts = JSON.stringify(charts);
</script>
"""


@dataclass(frozen=True)
class Chart:
    """An SVG as it is laid out."""

    width: float
    height: float
    inside: bool
    """Nothing of it lies outside what is shown."""
    marks: int
    drawn: int
    """Marks that have a colour."""


@dataclass(frozen=True)
class Shown:
    """What a browser made of a page."""

    charts: tuple[Chart, ...]
    complaints: list[str]
    """Lines of its console."""


def show(page: str, folder: Path) -> Shown:
    """Open a page, without a network and with a home of its own."""
    assert CHROMIUM is not None
    path = folder / "page.html"
    path.write_text(page.replace("</body>", f"{_LOOK}</body>"))
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--dump-dom",
    ]
    options += ["--enable-logging=stderr", f"--user-data-dir={folder / 'profile'}"]
    done = subprocess.run(
        [CHROMIUM, *options, path.as_uri()], capture_output=True, text=True, check=True, timeout=120
    )
    told = re.search(r"<body data-charts=\"([^\"]*)\"", done.stdout)
    assert told is not None, done.stdout[:500]
    charts = json.loads(told[1].replace("&quot;", '"'))
    complaints = [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return Shown(tuple(Chart(**one) for one in charts), complaints)
