"""The page: one file, with everything in it that it needs, and no way out.

Scripts are named by their hashes in the page's own policy, so that no text of a dataset can become one, and nothing may
be fetched from anywhere.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Any

import polars as pl

from trajloom.report.figures import Figure
from trajloom.report.gather import Strip
from trajloom.report.sections import Section


def page(title: str, subtitle: str, tiles: Mapping[str, str], sections: Iterable[Section], plotly: str) -> str:
    """The whole page.

    Args:
        title: Plain text, as all of these.
        subtitle: A line below it.
        tiles: Name -> value, shown large.
        sections: In their order.
        plotly: The text of plotly.js.
    """
    figures: list[Figure] = []
    body = "".join(_section(section, figures) for section in sections)
    ours = _own("page.js")
    policy = (
        f"default-src 'none'; script-src {_hash(plotly)} {_hash(ours)}; style-src 'unsafe-inline'; img-src data: blob:"
    )
    drawn = json.dumps([{"data": f.traces, "layout": f.layout} for f in figures], allow_nan=False)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)} - Trajloom</title>
<style>{_own("page.css")}</style>
</head>
<body>
<main>
<header>
<p class="kind">Trajloom report</p><h1>{escape(title)}</h1><p class="sub">{escape(subtitle)}</p>
{_tiles(tiles)}
</header>
{body}
<footer>{escape(_made())}</footer>
</main>
<script type="application/json" id="figures">{_inert(drawn)}</script>
<script type="application/octet-stream" id="plotly">{_packed(plotly)}</script>
<script>{ours}</script>
</body>
</html>
"""


def _own(name: str) -> str:
    return files("trajloom.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _packed(script: str) -> str:
    return base64.b64encode(gzip.compress(script.encode(), 9, mtime=0)).decode()


@cache
def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def _inert(data: str) -> str:
    """JSON in which nothing can end the element that it stands in."""
    return data.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _made() -> str:
    from trajloom import __version__

    return f"Made by Trajloom {__version__}. Plots by plotly.js (MIT), which is in this file."


def _tiles(tiles: Mapping[str, str]) -> str:
    made = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles.items())
    return f'<dl class="tiles">{made}</dl>'


def _section(section: Section, figures: list[Figure]) -> str:
    plots = "".join(_plot(figure, figures) for figure in section.figures)
    grid = f'<div class="{"plots small" if section.narrow else "plots"}">{plots}</div>' if plots else ""
    text = f"<p>{escape(section.text)}</p>" if section.text else ""
    strips = "".join(map(_strip, section.strips))
    table = "" if section.table is None else _table(section.table)
    return f"<section><h2>{escape(section.title)}</h2>{text}{grid}{strips}{table}</section>\n"


def _plot(figure: Figure, figures: list[Figure]) -> str:
    figures.append(figure)
    caption = f"<figcaption>{escape(figure.caption)}</figcaption>" if figure.caption else ""
    number = len(figures) - 1
    return f'<figure>{caption}<div class="plot" data-figure="{number}" style="height:{figure.height}px"></div></figure>'


def _strip(strip: Strip) -> str:
    source = f"data:image/png;base64,{base64.b64encode(strip.png).decode()}"
    said = escape(f"{strip.episode}, {strip.camera}", quote=True)
    return f'<figure class="strip"><figcaption>{said}</figcaption><img src="{source}" alt="{said}"></figure>'


def _table(rows: pl.DataFrame) -> str:
    numeric = [dtype.is_numeric() for dtype in rows.dtypes]
    heads = "".join(f"<th{_right(n)}>{escape(name)}</th>" for name, n in zip(rows.columns, numeric, strict=True))
    lines = "".join(
        "<tr>" + "".join(f"<td{_right(n)}>{_cell(v)}</td>" for v, n in zip(row, numeric, strict=True)) + "</tr>"
        for row in rows.iter_rows()
    )
    return f'<div class="table"><table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table></div>'


def _right(numeric: bool) -> str:
    return ' class="n"' if numeric else ""


def _cell(value: Any) -> str:
    if value is None:
        return '<span class="none">-</span>'
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:.4g}" if isinstance(value, float) else str(value))
