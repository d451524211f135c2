import { type Board, type Separation, type Verdict, verdictOf } from './board.js';
import { formatValue } from './format-value.js';
import { markdownTable } from './markdown-table.js';
import type { Report } from './report.js';
import { formatShare, surroundingsText } from './words.js';

const answers: Readonly<Record<Verdict, string>> = {
  counts: 'yes',
  'too hard': 'no: less than half of the gap is closed',
  'learnt without labels': 'no: half of the gap or more is closed without labels',
  unknown: 'not known yet',
};

/** Whether a report's tasks count, a line each, as Markdown. */
export function taskTable(report: Report): string {
  const rows = report.boards.map((board) => {
    const { task, metric, separation, control } = board;
    return [
      ...[task, metric.name, separation === null ? '–' : formatValue(separation.from, 'plain'), String(metric.ceiling)],
      ...[separation, control?.separation ?? null].flatMap(reached),
      answers[verdictOf(board)],
    ];
  });
  const header = ['task', 'metric', 'untrained or chance', 'ceiling', 'best method', 'closes'];
  const table = markdownTable([...header, 'labels shuffled', 'closes', 'counts'], rows);
  return `${surroundingsText(report)}\n\n${table}\n`;
}

/** The tasks of a report that do not count, or of which that is not known. */
export function doubtfulTasks({ boards }: Report): string[] {
  return boards.filter((board: Board) => verdictOf(board) !== 'counts').map(({ task }) => task);
}

function reached(separation: Separation | null): [string, string] {
  if (separation === null) return ['–', '–'];
  return [`${separation.method}, ${formatValue(separation.value, 'plain')}`, formatShare(separation.share)];
}
