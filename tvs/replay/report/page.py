"""Result as one self-contained HTML page, which needs nothing from the network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from tvs import __version__
from tvs.replay.report.charts import COLORS, charts_of
from tvs.replay.report.svg import svg
from tvs.replay.report.text import facts, phase_rows, share, verdict
from tvs.replay.run.counters import Phase
from tvs.replay.units import duration_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tvs.replay.report.charts import Chart
    from tvs.replay.report.result import RunResult

_STYLE = """
:root{color-scheme:light dark;--back:#fff;--card:#f6f8fb;--edge:#dfe4ec;--text:#1b2330;--quiet:#5b6677;
--good:#0f7a4f;--bad:#b3261e;%(light)s}
@media(prefers-color-scheme:dark){:root{--back:#14181f;--card:#1b212b;--edge:#303947;--text:#e6eaf0;--quiet:#9aa5b5;
--good:#4cc38a;--bad:#ff8a7a;%(dark)s}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
main{max-width:1240px;margin:0 auto;padding:28px 20px 40px}
h1{font-size:22px;margin:0}h2{font-size:16px;margin:0}
p{margin:2px 0;color:var(--quiet)}
.verdict{margin:14px 0 0;padding:8px 12px;border-left:4px solid var(--good);background:var(--card)}
.verdict.bad{border-color:var(--bad)}
.verdict p{color:var(--text)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:18px 0}
.tile,section{background:var(--card);border:1px solid var(--edge);border-radius:8px}
.tile{padding:10px 12px}.tile b{display:block;font-size:21px;font-variant-numeric:tabular-nums;white-space:nowrap}
.tile.bad b{color:var(--bad)}.tile span{color:var(--quiet);font-size:13px}
.grid2{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(560px,100%%),1fr));gap:14px}
section{padding:14px 16px;min-width:0}
.wide{margin-top:14px;overflow-x:auto}
table{border-collapse:collapse;width:100%%;font-variant-numeric:tabular-nums;margin-top:6px}
th,td{padding:4px 10px;text-align:right;border-top:1px solid var(--edge);white-space:nowrap}
table.narrow{width:auto}
tr:first-child>*{border-top:0}
th{color:var(--quiet);font-weight:500}th:first-child,td:first-child{text-align:left;padding-left:0}
td.text{text-align:left;white-space:normal;overflow-wrap:anywhere}
svg{display:block;width:100%%;height:auto;margin-top:8px;touch-action:pan-y}
.grid{stroke:var(--edge)}.axis,.mark{stroke:var(--quiet)}
.tick{fill:var(--quiet);font-size:12.5px}.tick.x{text-anchor:middle}.tick.y{text-anchor:end}
.nothing{fill:var(--quiet);font-size:15px;text-anchor:middle}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke:var(--c)}.dashed{stroke-dasharray:5 4}
.bar,.dot{fill:var(--c)}.name{font-size:13.5px;font-weight:600;fill:var(--c)}
.cursor{stroke:var(--quiet);stroke-dasharray:2 3;visibility:hidden}
%(classes)s
#tip{position:fixed;pointer-events:none;visibility:hidden;background:var(--back);border:1px solid var(--edge);
border-radius:6px;padding:6px 9px;font-size:13px;box-shadow:0 3px 12px #0003;font-variant-numeric:tabular-nums}
#tip i{display:inline-block;width:9px;height:9px;border-radius:2px;margin-right:6px;background:var(--c)}
@page{size:landscape;margin:12mm}
@media print{section,.tiles,.verdict{break-inside:avoid}*{print-color-adjust:exact}main{max-width:none;padding:0}
.tiles{grid-template-columns:repeat(8,1fr)}.grid2{grid-template-columns:1fr 1fr}}
"""
_SCRIPT = """
const tip=document.getElementById('tip');
for(const svg of document.querySelectorAll('svg[data-chart]')){
 const {names,columns}=JSON.parse(svg.dataset.chart),cursor=svg.querySelector('.cursor');
 svg.addEventListener('pointermove',event=>{
  const at=new DOMPoint(event.clientX,event.clientY).matrixTransform(svg.getScreenCTM().inverse()).x;
  const near=columns.reduce((a,b)=>Math.abs(b[0]-at)<Math.abs(a[0]-at)?b:a);
  cursor.setAttribute('x1',near[0]);cursor.setAttribute('x2',near[0]);cursor.style.visibility='visible';
  tip.replaceChildren();
  const head=document.createElement('b');head.textContent=near[1];tip.append(head);
  for(const [name,color] of names){if(!(name in near[2]))continue;
   const row=document.createElement('div'),mark=document.createElement('i');mark.className=color;
   row.append(mark,name+'  '+near[2][name]);tip.append(row)}
  tip.style.visibility='visible';
  const left=event.clientX+16,room=innerWidth-tip.offsetWidth-8;
  tip.style.left=Math.max(8,left<room?left:event.clientX-tip.offsetWidth-16)+'px';
  tip.style.top=Math.min(event.clientY+12,innerHeight-tip.offsetHeight-8)+'px'});
 svg.addEventListener('pointerleave',()=>{tip.style.visibility=cursor.style.visibility='hidden'})}
"""


def html_page(result: RunResult) -> str:
    """The page of a result. Text that strangers choose, such as names in certificates, is escaped."""
    title = f"Load test of {result.server}"
    body = [
        f"<h1>{escape(title)}</h1>",
        f"<p>{escape(result.mode)} · {escape(result.started_at)} · tvs {__version__}</p>",
        _verdict(result),
        _tiles(result),
        '<div class="grid2">',
        *map(_chart, charts_of(result)),
        "</div>",
        _section("Phases", _table(phase_rows(result), heading=True)),
        _section("Errors", _table(_failures(result))) if result.failures else "",
        _section("Errors in detail, the first few", _texts(result.examples)) if result.examples else "",
        _section("The run", _table(facts(result), text=True)),
    ]
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<title>{escape(title)}</title><style>{_style()}</style></head><body><main>{''.join(body)}</main>"
        f'<div id="tip"></div><script>{_SCRIPT}</script></body></html>\n'
    )


def _style() -> str:
    return _STYLE % {
        "light": "".join(f"--{name}:{light};" for name, (light, _) in COLORS.items()),
        "dark": "".join(f"--{name}:{dark};" for name, (_, dark) in COLORS.items()),
        "classes": "".join(f".{name}{{--c:var(--{name})}}" for name in COLORS),
    }


def _verdict(result: RunResult) -> str:
    sentences = verdict(result)
    bad = bool(sentences or result.failed)
    if not sentences:
        found = f"{result.failed} queries failed" if result.failed else "Every answer was as expected"
        sentences = [f"{found}, and the generator kept to its schedule." if result.open_model else f"{found}."]
    lines = "".join(f"<p>{escape(sentence)}</p>" for sentence in sentences)
    return f'<div class="verdict{" bad" if bad else ""}">{lines}</div>'


def _tiles(result: RunResult) -> str:
    whole = result.histograms[Phase.WHOLE]
    tiles = [
        ("answered as expected", f"{result.answered:,}", False),
        (f"failed ({share(result.failed, result.started)})", f"{result.failed:,}", result.failed > 0),
        ("answers a second", f"{result.rate:.1f}", False),
        *((f"whole, p{percent:g}", duration_text(whole.percentile(percent)), False) for percent in (50, 99, 99.9)),
        ("late", f"{result.late:,}", False),
        ("dropped", f"{result.dropped:,}", result.dropped > 0),
    ]
    return (
        '<div class="tiles">'
        + "".join(
            f'<div class="tile{" bad" if bad else ""}"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
            for name, value, bad in tiles
        )
        + "</div>"
    )


def _chart(chart: Chart) -> str:
    return f"<section><h2>{escape(chart.title)}</h2><p>{escape(chart.note)}</p>{svg(chart)}</section>"


def _section(title: str, content: str) -> str:
    return f'<section class="wide"><h2>{escape(title)}</h2>{content}</section>'


def _failures(result: RunResult) -> list[tuple[str, ...]]:
    return [
        (name.replace("_", " "), f"{number:,}", share(number, result.started))
        for name, number in result.failures.items()
    ]


def _table(rows: Sequence[Sequence[str]], *, heading: bool = False, text: bool = False) -> str:
    lines = []
    for number, row in enumerate(rows):
        tag = "th" if heading and number == 0 else "td"
        first, *others = (escape(cell) for cell in row)
        kind = ' class="text"' if text else ""
        lines.append(f"<tr><{tag}>{first}</{tag}>{''.join(f'<{tag}{kind}>{cell}</{tag}>' for cell in others)}</tr>")
    kind = "wide" if heading else "narrow"
    return f"<table class='{kind}'>{''.join(lines)}</table>"


def _texts(sentences: Sequence[str]) -> str:
    return "".join(f'<p style="overflow-wrap:anywhere">{escape(sentence)}</p>' for sentence in sentences)
