import { axesOf, type Board, frontierNames } from './board.js';
import { columnsOf, rowCells } from './columns.js';
import { markdownTable } from './markdown-table.js';
import type { Report } from './report.js';
import { failureLines, methodNote, separationText, surroundingsText, undefinedText } from './words.js';

/** A report as Markdown: a table a board, its frontiers in words, failures as failures. */
export function reportMarkdown(report: Report): string {
  const boards = report.boards.map(boardMarkdown);
  return `${[surroundingsText(report), ...boards].join('\n\n')}\n`;
}

function boardMarkdown(board: Board): string {
  const columns = columnsOf(board);
  const table = markdownTable(
    ['method', ...columns.map(({ label }) => label)],
    board.rows.map((row) => [`${row.cell.method}${methodNote(row)}`, ...rowCells(row, columns)]),
  );
  const frontiers = axesOf(board).map(({ label, points }) => `- by ${label}: ${frontierNames(points).join(', ')}`);
  const failures = failureLines(board).map((text) => `- ${text}`);
  return [
    `## ${board.title}`,
    [board.about.summary, separationText(board), undefinedText(board)].filter(Boolean).join(' '),
    table,
    ...(frontiers.length > 0
      ? [`No method is as good for less than these, the cheapest first:\n\n${frontiers.join('\n')}`]
      : []),
    ...(failures.length > 0 ? [`Failed:\n\n${failures.join('\n')}`] : []),
  ].join('\n\n');
}
