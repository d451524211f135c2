import type { Board } from './board.js';
import { formatRate, formatSpread } from './format-value.js';
import { measures, type Unit } from './measures.js';
import type { CellSummary } from './summarise.js';

/** A column of a table of methods. */
export interface Column {
  readonly label: string;
  of(row: CellSummary): string;
}

const shown = [
  ...['heldOutLoss', 'forgetting', 'peakBytes', 'plannedBytes', 'secondsPerStep', 'trainSeconds', 'generateSeconds'],
  ...['totalSeconds', 'money', 'tokensPerSecond'],
];
const more = [
  ...['flops', 'joules', 'trainedParameters', 'parameters', 'adapterBytes', 'modelBytes', 'answerSeconds'],
  ...['inference', 'mergedInference'],
];

/** The task's metric first; then what anything on the board was measured by. */
export function columnsOf({ rows, metric }: Board): Column[] {
  const spread = (name: string, label: string, unit: Unit): Column => ({
    label,
    of: ({ values }) => formatSpread(values[name], unit),
  });
  const measured = [...shown, ...more].flatMap((name) => {
    const found = measures.find((measure) => measure.name === name);
    return found && rows.some(({ values }) => name in values) ? [spread(name, found.label, found.unit)] : [];
  });
  return [
    spread('quality', metric.name, metric.ceiling === 1 ? 'share' : 'plain'),
    { label: 'seeds', of: ({ seeds }) => String(seeds) },
    { label: 'rate', of: ({ learningRate }) => (learningRate === null ? '–' : formatRate(learningRate)) },
    ...measured,
  ];
}

export function rowCells(row: CellSummary, columns: readonly Column[]): string[] {
  return columns.map(({ of }) => of(row));
}
