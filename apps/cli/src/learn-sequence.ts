import { runSequence, type SequenceResult } from '@tunesmith/runtime';
import { createEngine, pluginRoots } from './engine.js';
import { formatLoss } from './format.js';
import { printComparison } from './print-comparison.js';
import type { Terminal } from './terminal.js';
import { trainRun } from './train-run.js';
import { writeComparison } from './write-comparison.js';

/**
 * Trains a sequence's runs in turn, and prints the losses on every task after each, or of each where they are not alike; where it says how
 * tasks are compared, what they came to, which is drawn as a page too.
 */
export async function learnSequence(file: string, output: string | undefined, terminal: Terminal): Promise<void> {
  const result = await runSequence(file, {
    ...(output === undefined ? {} : { output }),
    engineOf: createEngine,
    roots: pluginRoots(),
    async train(folder, { recipe, objectives }) {
      await trainRun(folder, recipe, objectives, terminal);
      return process.exitCode === undefined;
    },
    onPhase: terminal.status,
  });
  terminal.status('');
  if (result === null) return;
  const { comparison } = result;
  const page = comparison && (await writeComparison(file, result.output, comparison));
  if (terminal.json) {
    terminal.printJson({ type: 'sequence', ...result, ...(page === undefined ? {} : { page }) });
    return;
  }
  if (result.losses.length > 0) printMatrix(result, terminal);
  else if (comparison === undefined) printRuns(result, terminal);
  if (comparison !== undefined) printComparison(comparison, page as string, terminal);
}

/** Each task's own loss, before its run and after: of different kinds, they are not compared. */
function printRuns({ runs }: SequenceResult, terminal: Terminal): void {
  const width = Math.max(...runs.map(({ task }) => task.length)) + 2;
  terminal.print(terminal.style('bold', 'held-out loss of each task, before its run → after'));
  for (const { task, before, after } of runs) {
    const [from, to] = [before, after].map((at) => formatLoss(at?.loss ?? Number.NaN));
    terminal.print(`${task.padEnd(width)}${from} → ${to}`);
  }
}

function printMatrix(
  { tasks, losses, averageForgetting = 0, backwardTransfer = 0 }: SequenceResult,
  terminal: Terminal,
): void {
  const width = Math.max(8, ...tasks.map(({ length }) => length + 2));
  const first = Math.max('before'.length, ...tasks.map(({ length }) => 'after '.length + length)) + 2;
  terminal.print(
    terminal.style('bold', 'held-out loss'.padEnd(first) + tasks.map((name) => name.padStart(width)).join('')),
  );
  for (const [row, values] of losses.entries()) {
    const name = row === 0 ? 'before' : `after ${tasks[row - 1]}`;
    const cells = values.map((loss, task) => {
      const text = (Number.isNaN(loss) ? '–' : formatLoss(loss)).padStart(width);
      return task === row - 1 ? terminal.style('bold', text) : text;
    });
    terminal.print(name.padEnd(first) + cells.join(''));
  }
  terminal.print();
  terminal.print(
    `average forgetting ${terminal.style('bold', formatLoss(averageForgetting))}, backward transfer ${formatLoss(backwardTransfer)}`,
  );
}
