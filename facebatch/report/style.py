"""The report's style sheet: system fonts, phone to desktop, light and dark, screen and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1d1c1a; --soft: #66635d; --line: #e3dfd8;
  --accent: #1f5f8b; --warn: #8a4b00; --warn-page: #fff5e3;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161716; --card: #1f2120; --ink: #e9e7e2; --soft: #a19e97; --line: #353836;
    --accent: #8ec3ea; --warn: #f3c27a; --warn-page: #33291a;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2.5rem 1.5rem 4rem; max-width: 76rem;
  background: var(--page); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif;
}
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 3rem 0 .75rem; }
h3 { font-size: 1.02rem; line-height: 1.35; margin: 0; overflow-wrap: anywhere; }
p { margin: .5rem 0; max-width: 44rem; }
a { color: var(--accent); text-underline-offset: .15em; }
code { font: .87em/1.5 ui-monospace, "SF Mono", Menlo, Consolas, monospace; }
bdi, code { overflow-wrap: anywhere; }
.soft { color: var(--soft); }
.small { font-size: .86rem; line-height: 1.45; }
.fact { display: inline-block; margin-right: .9em; }
.wide { color: var(--warn); font-weight: 600; }
nav { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin-top: 1rem; }
.notice {
  max-width: none; margin: 1.25rem 0 0; padding: .7rem 1rem; border-radius: .5rem;
  background: var(--warn-page); color: var(--warn);
}
.figures {
  display: grid; grid-template-columns: repeat(6, 1fr); gap: .75rem;
  margin: 1.75rem 0 0;
}
.figures div {
  display: flex; flex-direction: column-reverse; justify-content: flex-end;
  padding: .9rem 1rem; border: 1px solid var(--line); border-radius: .6rem;
  background: var(--card);
}
.figures dt { color: var(--soft); font-size: .86rem; line-height: 1.35; }
.figures dd {
  margin: 0; font-size: 1.75rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums;
}
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: .45rem .75rem; border-bottom: 1px solid var(--line); text-align: right; }
th { font-weight: 600; }
td { white-space: nowrap; }
thead th { color: var(--soft); font-size: .86rem; white-space: nowrap; }
th:first-child { text-align: left; padding-left: 0; }
th bdi { display: block; min-width: 6.5rem; }
tfoot th, tfoot td { font-weight: 600; border-bottom: 0; }
details { border-bottom: 1px solid var(--line); padding: .6rem 0; }
summary { cursor: pointer; }
summary .soft { margin-left: .35rem; }
ul.paths { list-style: none; margin: .5rem 0 .25rem; padding: 0 0 0 1.1rem; }
ul.paths li { padding: .2rem 0; }
ul.paths .soft { display: block; }
.people {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 20rem), 1fr));
  gap: .75rem; align-items: start;
}
.person {
  padding: .9rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card);
}
.person.large { grid-column: 1 / -1; }
.person header { display: flex; gap: .9rem; align-items: center; }
.person header p { margin: .15rem 0 0; }
.cover { flex: none; width: 6rem; height: 6rem; border-radius: .5rem; }
.chips { display: flex; flex-wrap: wrap; gap: .3rem; margin-top: .7rem; }
.chips img { width: 4rem; height: 4rem; border-radius: .3rem; }
.person header .chips { margin-top: .35rem; }
.person header .chips img { width: 3rem; height: 3rem; }
img { display: block; object-fit: cover; background: var(--line); }
.groups {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr));
  gap: 1.5rem 2.5rem;
}
dl.settings {
  display: grid; grid-template-columns: minmax(7rem, 9rem) 1fr; gap: .2rem 1rem; margin: .5rem 0 0;
}
dl.settings dt { color: var(--soft); overflow-wrap: anywhere; }
dl.settings dd { margin: 0; overflow-wrap: anywhere; }
.model { margin-top: 1.25rem; }
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 62rem) {
  .figures { grid-template-columns: repeat(3, 1fr); }
}
@media (max-width: 34rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  h2 { margin-top: 2.25rem; }
  .figures { grid-template-columns: repeat(2, 1fr); gap: .5rem; }
  .figures dd { font-size: 1.45rem; }
  table { font-size: .9rem; }
  th, td { padding: .4rem .5rem; }
  .cover { width: 4.75rem; height: 4.75rem; }
  .chips img { width: 3.4rem; height: 3.4rem; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #000;
    --warn: #000; --warn-page: #fff;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  .figures { grid-template-columns: repeat(6, 1fr); }
  .figures div, .person, tr, ul.paths li { break-inside: avoid; }
  .notice { border: 1px solid var(--line); }
  .chips img { width: 1.3cm; height: 1.3cm; }
  img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
