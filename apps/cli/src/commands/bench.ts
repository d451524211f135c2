import { type Command, InvalidArgumentError } from 'commander';
import { positiveNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

/** Flags of `bench run`. */
export interface BenchRunFlags {
  readonly results: string;
  readonly concurrency: number;
  readonly shard?: string;
  readonly minutes?: number;
  readonly retryFailed?: boolean;
}

export function addBench(program: Command, terminal: Terminal): void {
  const bench = program.command('bench').description('compare methods: what they reach, and what they cost');
  bench
    .command('run')
    .description('run what is left of a suite: methods × tasks × budgets × seeds, each trial in a process of its own')
    .argument('<suite>', 'suite file: YAML, JSON or TypeScript (a TypeScript suite executes code)')
    .option('--results <folder>', 'folder of the results', 'bench-results')
    .option('--concurrency <n>', 'trials at a time; with more than one, times are measured apart', atLeastOne, 1)
    .option('--shard <i/n>', 'only the ith of n parts, for several machines')
    .option('--minutes <n>', 'start no trial after so long; the next call goes on', positiveNumber)
    .option('--retry-failed', 'run again what failed')
    .option('--json', 'every trial as a line of JSON, what was done last')
    .action(async (file: string, flags: BenchRunFlags) => {
      const { benchRun } = await import('../bench-run.js');
      await benchRun(file, flags, terminal);
    });
  bench
    .command('tasks')
    .description('the tasks that a suite may name')
    .option('--json', 'as JSON')
    .action(async () => {
      const { offlineTasks } = await import('@tunesmith/bench');
      const tasks = offlineTasks.map(({ rows: _, ...task }) => task);
      if (terminal.json) return terminal.printJson(tasks);
      for (const { name, summary, licence, source, metric } of tasks) {
        terminal.print(`${terminal.style('bold', name)}  ${summary}`);
        terminal.print(`  ${metric.name}, chance ${metric.chance ?? 'unknown'}, at best ${metric.ceiling}`);
        terminal.print(`  ${source}; ${licence}`);
      }
    });
}

function atLeastOne(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1) throw new InvalidArgumentError('Expected a whole number, 1 or more.');
  return value;
}
