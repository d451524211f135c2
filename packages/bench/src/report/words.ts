import type { Board } from './board.js';
import { formatRate, formatValue } from './format-value.js';
import type { Report } from './report.js';
import type { CellSummary } from './summarise.js';

/** Where and by what the results were made, in one line. */
export function surroundingsText({ machines, commits, trials, made }: Report): string {
  const from = machines.length === 0 ? 'no machine' : machines.join('; ');
  const at = made.toISOString().slice(0, 16).replace('T', ' ');
  return `${trials} trials, on ${from}, of commit ${commits.join(', ') || '–'}; written ${at} UTC. Means ± half of the 95 % interval over seeds.`;
}

/** Whether a task tells methods apart. */
export function separationText({ separation, metric }: Board): string {
  if (separation === null) return '';
  const { method, share, from } = separation;
  const part = `${method} closes ${(100 * share).toFixed(0)} % of the gap from ${formatValue(from, 'plain')} to ${metric.ceiling}`;
  return share >= 0.5 ? `${part}.` : `${part}, less than half of it: this task hardly tells methods apart.`;
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
export function failureLines({ rows }: Board): string[] {
  return rows.flatMap(({ cell, failures }) =>
    failures.map(
      ({ kind, seed, learningRate, failure }) =>
        `${cell.method}, ${kind}, seed ${seed}, rate ${formatRate(learningRate)}: ${failure.kind}: ${failure.message}`,
    ),
  );
}
