/** Of a report's page: by day, by night and on paper. */
export const pageStyle = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5b6673; --line: #d8dde3; --page: #ffffff; --card: #f6f7f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ed; --soft: #9aa5b1; --line: #39424d; --page: #14181d; --card: #1d2329; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1180px; padding: 24px; background: var(--page); color: var(--ink); font: 14px/1.5 system-ui, sans-serif; }
h1 { margin: 0; font-size: 24px; }
h2 { margin: 36px 0 4px; font-size: 18px; border-top: 1px solid var(--line); padding-top: 20px; }
h3 { margin: 20px 0 6px; font-size: 14px; }
p { margin: 4px 0; max-width: 90ch; }
small, figcaption, header p { color: var(--soft); }
nav a { display: inline-block; margin: 8px 14px 0 0; color: inherit; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(400px, 1fr)); gap: 12px; margin: 12px 0; }
figure { margin: 0; padding: 8px; background: var(--card); border-radius: 6px; break-inside: avoid; }
figure svg { max-width: 100%; height: auto; display: block; }
figcaption { font-size: 12px; overflow-wrap: anywhere; }
.table { overflow-x: auto; }
table { border-collapse: collapse; font-size: 12px; font-variant-numeric: tabular-nums; }
th, td { padding: 4px 10px; border-bottom: 1px solid var(--line); text-align: right; white-space: nowrap; }
thead th { white-space: normal; vertical-align: bottom; color: var(--soft); font-weight: 500; }
tr > :first-child { text-align: left; }
tbody th { font-weight: 600; }
tbody th small { font-weight: 400; }
.failures { color: #c2410c; overflow-wrap: anywhere; }
.cards { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 12px; }
article { padding: 10px 14px; background: var(--card); border-radius: 6px; break-inside: avoid; }
article h3 { margin: 0; }
article ul { margin: 4px 0; padding-left: 16px; font-size: 12px; }
pre { margin: 4px 0; font-size: 11px; white-space: pre-wrap; }
@media print {
  :root { color-scheme: light; --ink: #000; --soft: #444; --line: #bbb; --page: #fff; --card: #fff; }
  body { max-width: none; padding: 0; font-size: 10px; }
  nav, details { display: none; }
  .table { overflow: visible; }
  table { font-size: 7px; }
  th, td { padding: 2px 3px; white-space: normal; }
  .charts { grid-template-columns: 1fr 1fr; }
}
`;
