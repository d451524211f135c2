import { type Board, type Verdict, verdictOf } from './board.js';
import { formatRate, formatValue } from './format-value.js';
import type { Report } from './report.js';
import type { CellSummary } from './summarise.js';

/** Where and by what the results were made, in one line. */
export function surroundingsText({ machines, commits, trials, made, words }: Report): string {
  if (words !== undefined) return words.surroundings;
  const from = machines.length === 0 ? 'no machine' : machines.join('; ');
  const at = made.toISOString().slice(0, 16).replace('T', ' ');
  return `${trials} trials, on ${from}, of commit ${commits.join(', ') || '–'}; written ${at} UTC. Means ± half of the 95 % interval over seeds.`;
}

const verdicts: Readonly<Record<Verdict, string>> = {
  counts: '',
  unknown: '',
  'too hard': ' Less than half of it: this task hardly tells methods apart.',
  'learnt without labels': ' Half of it or more without labels to learn from: this task measures something else.',
};

/** Whether a task tells methods apart. */
export function separationText(board: Board): string {
  const { separation, metric, control } = board;
  if (separation === null) return '';
  const { method, share, from } = separation;
  const own = `${method} closes ${formatShare(share)} of the gap from ${formatValue(from, 'plain')} to ${metric.ceiling}`;
  const shuffled = control?.separation;
  const without = shuffled ? `; with labels shuffled ${shuffled.method} closes ${formatShare(shuffled.share)}` : '';
  return `${own}${without}.${verdicts[verdictOf(board)]}`;
}

export function formatShare(share: number): string {
  return `${(100 * share).toFixed(0)} %`;
}

/** What cannot be measured of a task, and why. */
export function undefinedText({ rows }: Board): string {
  return rows.some(({ hasOwnHead, values }) => hasOwnHead && values.forgetting === undefined)
    ? 'Forgetting is not known here: the base has no head that continues texts, or the suite no text of the base’s own.'
    : '';
}

/** What a reader has to know of a row, in brackets behind its name. */
export function methodNote({ seeds, isAtEdge, failures, values }: CellSummary): string {
  const notes = [
    values.quality === undefined ? 'no result' : seeds < 3 && `${seeds} ${seeds === 1 ? 'seed' : 'seeds'}`,
    isAtEdge && 'rate at the edge of those tried',
    failures.length > 0 && `${failures.length} failed`,
  ].filter((note) => note !== false);
  return notes.length === 0 ? '' : ` (${notes.join('; ')})`;
}

/** A line a failed trial. */
export function failureLines({ rows, control }: Board): string[] {
  return [
    ...rows.flatMap(linesOf),
    ...(control?.rows ?? []).flatMap(linesOf).map((line) => `labels shuffled: ${line}`),
  ];
}

function linesOf({ cell, failures }: CellSummary): string[] {
  return failures.map(
    ({ kind, seed, learningRate, failure }) =>
      `${cell.method}, ${kind}, seed ${seed}, rate ${formatRate(learningRate)}: ${failure.kind}: ${failure.message}`,
  );
}
