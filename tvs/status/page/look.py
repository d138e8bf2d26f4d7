"""Look of the status page: its style, its script, and the policy that allows these two and nothing else."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from typing import Final

STYLE: Final = """
:root{color-scheme:light dark;--back:#fff;--card:#f6f8fb;--edge:#d5dbe6;--text:#1b2330;--quiet:#566072;--link:#1a5fb4;
--good:#0b6e47;--warn:#8a5200;--bad:#b3261e;--line:#2f6fbb;--alarm:#c2403a}
@media(prefers-color-scheme:dark){:root{--back:#14181f;--card:#1b212b;--edge:#343e4e;--text:#e6eaf0;--quiet:#a3aebd;
--link:#8ab8ff;--good:#55cf95;--warn:#f0b357;--bad:#ff9184;--line:#6ea8ee;--alarm:#ff8a7a}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--text);font:15px/1.45 system-ui,-apple-system,"Segoe UI",sans-serif}
header,main,footer{max-width:1180px;margin:0 auto;padding:0 16px}
header{padding-top:18px;display:flex;flex-wrap:wrap;gap:4px 16px;align-items:baseline;color:var(--quiet)}
header p,footer p{margin:0}
h1{font-size:24px;line-height:1.25;margin:0;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 6px}
a{color:var(--link)}
.verdict{margin:12px 0 18px;padding:14px 16px;border:1px solid var(--edge);border-left:6px solid var(--good);
border-radius:8px;background:var(--card)}
.verdict.limited{border-left-color:var(--warn)}.verdict.turned_away{border-left-color:var(--bad)}
.verdict h1{color:var(--good)}.verdict.limited h1{color:var(--warn)}.verdict.turned_away h1{color:var(--bad)}
.verdict p{margin:4px 0 0}.verdict ul{margin:10px 0 0;padding-left:20px}
.verdict li{margin-top:6px;overflow-wrap:anywhere}
.quiet{color:var(--quiet)}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(140px,1fr));gap:10px;margin:0 0 16px;padding:0}
.tile,section{background:var(--card);border:1px solid var(--edge);border-radius:8px}
.tile{padding:8px 12px}.tile dt{color:var(--quiet);font-size:13px}
.tile dd{margin:0;font-size:20px;font-weight:600;font-variant-numeric:tabular-nums}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr));gap:14px}
figure{margin:0;min-width:0}figcaption{font-size:13px}figcaption span{margin-right:10px}
svg{display:block;width:100%;height:56px;border-bottom:1px solid var(--edge)}
.area{fill:var(--line);opacity:.22}.line{fill:none;stroke:var(--line);stroke-width:1.5;vector-effect:non-scaling-stroke}
.alarm .area{fill:var(--alarm)}.alarm .line{stroke:var(--alarm)}
section{padding:12px 16px 14px;margin:0 0 14px;min-width:0}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(460px,100%),1fr));gap:0 14px}
.scroll{overflow-x:auto}.scroll:focus-visible{outline:2px solid var(--link)}
table{border-collapse:collapse;width:100%;font-size:14px;font-variant-numeric:tabular-nums}
th,td{padding:4px 14px 4px 0;text-align:left;vertical-align:top;border-top:1px solid var(--edge);white-space:nowrap}
thead th{border-top:0;color:var(--quiet);font-weight:500}tbody th{font-weight:500}
.number{text-align:right}.text{white-space:normal;min-width:130px;overflow-wrap:anywhere}
.yes{color:var(--good)}.no{color:var(--bad);font-weight:600}.soon{color:var(--warn);font-weight:600}
footer{padding-bottom:28px;color:var(--quiet);display:flex;flex-wrap:wrap;gap:4px 16px}
.stale{display:none;color:var(--bad)}body.lost .stale{display:block}
"""
"""One sheet for light and dark, wide and narrow."""
SCRIPT: Final = """
const renew=async()=>{
 if(document.hidden||!getSelection().isCollapsed||document.activeElement.closest('main'))return;
 try{
  const answer=await fetch(location.pathname,{cache:'no-store'});
  if(!answer.ok)throw new Error(answer.status);
  const next=new DOMParser().parseFromString(await answer.text(),'text/html');
  const held=[...document.querySelectorAll('.scroll')].map(part=>part.scrollLeft);
  document.querySelector('main').replaceWith(next.querySelector('main'));
  [...document.querySelectorAll('.scroll')].forEach((part,at)=>{part.scrollLeft=held[at]||0});
  document.title=next.title;document.body.classList.remove('lost')
 }catch{document.body.classList.add('lost')}
};
setInterval(renew,5000);
"""
"""Renews what the page says every 5 s, unless somebody is reading, has marked text, or does not look."""


def _hash(text: str) -> str:
    return b64encode(hashlib.sha256(text.encode()).digest()).decode()


POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_hash(STYLE)}'; script-src 'sha256-{_hash(SCRIPT)}'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content-Security-Policy of the page: markup that got into it could neither run, nor load, nor send anything."""
