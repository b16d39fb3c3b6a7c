"""The report's style sheet: system fonts, phone to desktop, light and dark, screen and paper."""

STYLE = """
:root {
  color-scheme: light dark;
  --page: #fbfaf8; --card: #ffffff; --ink: #1d1c1a; --soft: #66635d; --line: #e3dfd8;
  --accent: #1f5f8b; --warn: #8a4b00; --warn-page: #fff5e3;
  --plot-1: #1f6aa5; --plot-2: #b4531a; --plot-3: #4f7d2c; --plot-4: #8a1f4b; --plot-line: #e3dfd8;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #161716; --card: #1f2120; --ink: #e9e7e2; --soft: #a19e97; --line: #353836;
    --accent: #8ec3ea; --warn: #f3c27a; --warn-page: #33291a;
    --plot-1: #7fbdf0; --plot-2: #f2a46c; --plot-3: #a9d181; --plot-4: #f59ac0;
    --plot-line: #353836;
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
.figures.four { grid-template-columns: repeat(4, 1fr); }
.scroll { overflow-x: auto; }
.narrow { max-width: 44rem; }
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
.apart { margin-top: 1.75rem; }
.doubts {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 17rem), 1fr));
  gap: .75rem 1.5rem; margin-top: .75rem;
}
.doubt { display: flex; gap: .75rem; align-items: flex-start; }
.doubt img { flex: none; width: 4rem; height: 4rem; border-radius: .3rem; }
.doubt p { margin: 0; }
.plots {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  gap: 1.75rem 2rem; align-items: start;
}
figure { margin: 0; max-width: 34rem; }
figure h3 { margin-bottom: .35rem; }
figcaption { margin-top: .25rem; }
.plot { display: block; width: 100%; height: auto; }
.plot text { font-variant-numeric: tabular-nums; }
.meanings td.meaning {
  text-align: left; white-space: normal; color: var(--soft); max-width: 44rem; width: 60%;
}
.meanings th { text-align: left; min-width: 8rem; }
td.name, th.name { text-align: left; white-space: normal; overflow-wrap: anywhere; }
.errors {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 21rem), 1fr));
  gap: .75rem;
}
.error {
  padding: .8rem; border: 1px solid var(--line); border-radius: .6rem; background: var(--card);
}
.error h3 { font-variant-numeric: tabular-nums; margin-bottom: .5rem; }
.error .sides { display: grid; grid-template-columns: 1fr 1fr; gap: .75rem; }
.error .chip { width: 6rem; height: 6rem; border-radius: .4rem; margin-bottom: .35rem; }
.error .none {
  display: flex; align-items: center; justify-content: center; text-align: center;
  border: 1px dashed var(--line); color: var(--soft);
}
footer { margin-top: 3rem; padding-top: 1rem; border-top: 1px solid var(--line); }
@media (max-width: 62rem) {
  .figures { grid-template-columns: repeat(3, 1fr); }
  .figures.four { grid-template-columns: repeat(4, 1fr); }
}
@media (max-width: 34rem) {
  body { padding: 1.5rem 1rem 3rem; }
  h1 { font-size: 1.6rem; }
  h2 { margin-top: 2.25rem; }
  .figures, .figures.four { grid-template-columns: repeat(2, 1fr); gap: .5rem; }
  .figures dd { font-size: 1.45rem; }
  table { font-size: .9rem; }
  th, td { padding: .4rem .5rem; }
  .cover { width: 4.75rem; height: 4.75rem; }
  .chips img { width: 3.4rem; height: 3.4rem; }
  .meanings thead { display: none; }
  .meanings tr {
    display: grid; grid-template-columns: 1fr auto; column-gap: 1rem; padding: .5rem 0;
    border-bottom: 1px solid var(--line);
  }
  .meanings th, .meanings td { border: 0; padding: 0; }
  .meanings td.meaning { grid-column: 1 / -1; width: auto; }
}
@media print {
  :root {
    color-scheme: light;
    --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #bbb; --accent: #000;
    --warn: #000; --warn-page: #fff;
    --plot-1: #1f6aa5; --plot-2: #b4531a; --plot-3: #4f7d2c; --plot-4: #8a1f4b;
    --plot-line: #ddd;
  }
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  h2 { break-after: avoid; }
  .figures { grid-template-columns: repeat(6, 1fr); }
  .figures.four { grid-template-columns: repeat(4, 1fr); }
  .figures dd { font-size: 1.3rem; white-space: nowrap; }
  .figures div, .person, figure, .error, .doubt, tr, ul.paths li { break-inside: avoid; }
  .plots { grid-template-columns: 1fr 1fr; }
  .errors { grid-template-columns: repeat(3, 1fr); }
  .error .chip { width: 2.2cm; height: 2.2cm; }
  .notice { border: 1px solid var(--line); }
  .chips img { width: 1.3cm; height: 1.3cm; }
  img { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
"""
