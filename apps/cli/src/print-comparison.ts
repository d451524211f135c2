import type { ComparedTask, SequenceComparison } from '@tunesmith/runtime';
import { formatBytes, formatCount, formatLoss, formatPath } from './format.js';
import type { Terminal } from './terminal.js';

type Column = readonly [string, (task: ComparedTask) => string | null];

/** A row for each task of a sequence: how good its model is, and what it cost. Columns that no task has anything for are left out. */
export function printComparison(comparison: SequenceComparison, page: string, terminal: Terminal): void {
  const { metric, tasks, data } = comparison;
  const seconds = (value: number): string => `${value.toFixed(value < 10 ? 1 : 0)} s`;
  const isMade = tasks.some(({ needs }) => needs.length > 0);
  const columns: Column[] = [
    ['task', ({ task }) => task],
    [metric, ({ quality }) => formatLoss(quality)],
    ['held-out loss', ({ loss }) => (metric === 'loss' ? null : formatLoss(loss))],
    ['training', ({ trainSeconds }) => seconds(trainSeconds)],
    ['writing rows', ({ generateSeconds }) => (generateSeconds === 0 ? null : seconds(generateSeconds))],
    ['all told', ({ totalSeconds }) => (isMade ? seconds(totalSeconds) : null)],
    ['price', ({ money }) => (money === null ? null : money.toPrecision(3))],
    ['peak', ({ peakBytes }) => formatBytes(peakBytes)],
    ['trained', ({ trainedParameters }) => formatCount(trainedParameters)],
    ['parameters', ({ parameters }) => formatCount(parameters)],
    ['an answer', ({ secondsPerAnswer: each }) => (each === null ? null : `${(1000 * each).toFixed(0)} ms`)],
  ];
  const shown = columns.filter(([, of]) => tasks.some((task) => of(task) !== null));
  const cells = shown.map(([name, of]) => [name, ...tasks.map((task) => of(task) ?? '–')]);
  const widths = cells.map((column) => Math.max(...column.map(({ length }) => length)));
  for (let row = 0; row <= tasks.length; row++) {
    const line = cells.map((column, index) => {
      const [cell, width] = [column[row] as string, widths[index] as number];
      return index === 0 ? cell.padEnd(width) : cell.padStart(width);
    });
    terminal.print(row === 0 ? terminal.style('bold', line.join('  ')) : line.join('  '));
  }
  terminal.print();
  for (const { task, needs } of tasks) {
    if (needs.length > 0) terminal.print(`${task}: all told and price are with ${needs.join(', ')}.`);
  }
  terminal.print(`${priceText(comparison)}Measured on ${data.map(formatPath).join(', ')}.`);
  terminal.print(`Quality against cost: ${terminal.style('bold', formatPath(page))}`);
}

function priceText({ prices, device }: SequenceComparison): string {
  const price = prices[device];
  return price === undefined ? '' : `An hour of ${device}: ${price.perHour}${price.source && ` (${price.source})`}. `;
}
