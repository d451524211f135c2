import { curvesChart } from '../chart/curves-chart.js';
import { paretoChart } from '../chart/pareto-chart.js';
import { pageTheme, renderChart } from '../chart/render-chart.js';
import { axesOf, type Board, frontierNames } from './board.js';
import { columnsOf, rowCells } from './columns.js';
import { formatRate, formatValue } from './format-value.js';
import { pageStyle } from './page-style.js';
import type { Report } from './report.js';
import type { CellSummary } from './summarise.js';
import { failureLines, methodNote, separationText, surroundingsText, undefinedText } from './words.js';

/** A report as one HTML file: charts are drawings in it, and nothing is loaded from anywhere. */
export async function reportHtml(report: Report, title = 'Tunesmith bench'): Promise<string> {
  const boards: string[] = [];
  const [row, rows] = report.words?.row ?? ['method', 'Methods'];
  for (const board of report.boards) boards.push(await boardHtml(board, row));
  const links = report.boards.map(({ title: text }, index) => `<a href="#board-${index}">${escapeHtml(text)}</a>`);
  const sections = boards.map((board, index) => `<section id="board-${index}">${board}</section>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)}</title>
<style>${pageStyle}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p>${escapeHtml(surroundingsText(report))}</p><p>${pricesText(report)}</p><nav>${links.join('')}</nav></header>
${sections.join('\n')}
<section id="cards"><h2>${escapeHtml(rows)}</h2><div class="cards">${cardsHtml(report.boards)}</div></section>
</body>
</html>
`;
}

async function boardHtml(board: Board, rowName: string): Promise<string> {
  const axes = axesOf(board);
  const figures: string[] = [];
  for (const axis of axes) {
    const svg = await renderChart(paretoChart(board, axis), pageTheme);
    const names = frontierNames(axis.points).map(escapeHtml).join(' → ');
    figures.push(`<figure>${svg}<figcaption>Frontier: ${names}</figcaption></figure>`);
  }
  const curves = curvesChart(board);
  const drawn = curves && (await renderChart(curves, pageTheme));
  const { licence, source, summary } = board.about;
  const columns = columnsOf(board);
  const head = [rowName, ...columns.map(({ label }) => label)].map((label) => `<th>${escapeHtml(label)}</th>`);
  const rows = board.rows.map((row) => {
    const name = `<th>${escapeHtml(row.cell.method)}<small>${escapeHtml(methodNote(row))}</small></th>`;
    return `<tr>${name}${rowCells(row, columns)
      .map((cell) => `<td>${escapeHtml(cell)}</td>`)
      .join('')}</tr>`;
  });
  const failures = failureLines(board).map((line) => `<li>${escapeHtml(line)}</li>`);
  return [
    `<h2>${escapeHtml(board.title)}</h2>`,
    `<p>${escapeHtml([summary, separationText(board), undefinedText(board)].filter(Boolean).join(' '))} <small>${escapeHtml([source, licence].filter(Boolean).join('; '))}</small></p>`,
    `<div class="charts">${figures.join('')}</div>`,
    `<div class="table"><table><thead><tr>${head.join('')}</tr></thead><tbody>${rows.join('')}</tbody></table></div>`,
    ...(failures.length > 0 ? [`<h3>Failures</h3><ul class="failures">${failures.join('')}</ul>`] : []),
    ...(drawn ? [`<h3>Learning curves</h3><figure class="wide">${drawn}</figure>`] : []),
  ].join('\n');
}

/** A card a method: its settings, and on each board what it reached, with which rate, and what finding that took. */
function cardsHtml(boards: readonly Board[]): string {
  const rows = boards.flatMap((board) => board.rows.map((row) => ({ board, row })));
  const names = [...new Set(rows.map(({ row }) => row.cell.method))];
  return names
    .map((name) => {
      const own = rows.filter(({ row }) => row.cell.method === name);
      const settings = own[0]?.row.settings ?? {};
      const lines = own.map(
        ({ board, row }) => `<li><b>${escapeHtml(board.title)}</b> ${escapeHtml(tuningText(row))}</li>`,
      );
      const json = escapeHtml(JSON.stringify(settings, null, 1));
      return `<article><h3>${escapeHtml(name)}</h3><ul>${lines.join('')}</ul><details><summary>settings</summary><pre>${json}</pre></details></article>`;
    })
    .join('');
}

function tuningText({ tried, learningRate, tuningSeconds, isAtEdge }: CellSummary): string {
  const rates = tried.map(
    ({ learningRate: rate, validation }) =>
      `${formatRate(rate)} → ${validation === null ? 'failed' : formatValue(validation, 'plain')}`,
  );
  const worked = tried.some(({ validation }) => validation !== null);
  const none = worked ? 'no seed has run' : 'no rate worked';
  const chosen = learningRate === null ? none : `rate ${formatRate(learningRate)}`;
  const cost =
    tried.length === 0 ? '' : ` (of ${rates.join(', ')}; ${formatValue(tuningSeconds, 'seconds')} of tuning)`;
  return `${chosen}${cost}${isAtEdge ? ', at the edge of those tried' : ''}`;
}

function pricesText({ prices }: Report): string {
  const listed = Object.entries(prices).map(
    ([device, { perHour, source }]) =>
      `an hour of ${escapeHtml(device)}: ${perHour}${source && ` (${escapeHtml(source)})`}`,
  );
  return listed.length === 0 ? 'No prices were given, so there is no money.' : `Prices: ${listed.join(', ')}.`;
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
