import { type Command, InvalidArgumentError } from 'commander';
import { collect, deviceOption, type devices, fraction, positiveNumber } from '../flags.js';
import type { Terminal } from '../terminal.js';

/** Flags of `bench run`. */
export interface BenchRunFlags {
  readonly results: string;
  readonly concurrency: number;
  readonly shard?: string;
  readonly minutes?: number;
  readonly device?: (typeof devices)[number];
  readonly retryFailed?: boolean;
}

/** Flags of `bench check`. */
export interface BenchCheckFlags extends Omit<BenchRunFlags, 'shard'> {
  readonly output?: string;
}

/** Flags of `bench report`. */
export interface BenchReportFlags {
  readonly results: string;
  readonly output: string;
  readonly cost: string;
}

/** Flags of `bench compare`. */
export interface BenchCompareFlags {
  readonly results: string;
  readonly gate: number;
  readonly measures?: string[];
}

/** Flags of `bench advise`. */
export interface BenchAdviseFlags {
  readonly results: string;
  readonly goal?: string;
  /** Bytes. */
  readonly memory?: number;
  /** Seconds. */
  readonly time?: number;
}

const results = ['--results <folder>', 'folder of the results', 'bench-results'] as const;

export function addBench(program: Command, terminal: Terminal): void {
  const bench = program.command('bench').description('compare methods: what they reach, and what they cost');
  bench
    .command('run')
    .description('run what is left of a suite: methods × tasks × budgets × seeds, each trial in a process of its own')
    .argument('<suite>', 'suite file: YAML, JSON or TypeScript (a TypeScript suite executes code)')
    .option(...results)
    .option('--concurrency <n>', 'trials at a time; with more than one, times are measured apart', atLeastOne, 1)
    .option('--shard <i/n>', 'only the ith of n parts, for several machines')
    .option('--minutes <n>', 'start no trial after so long; the next call goes on', positiveNumber)
    .addOption(deviceOption('what computes, if not the suite’s device'))
    .option('--retry-failed', 'run again what failed')
    .option('--json', 'every trial as a line of JSON, what was done last')
    .action(async (file: string, flags: BenchRunFlags) => {
      const { benchRun } = await import('../bench-run.js');
      await benchRun(file, flags, terminal);
    });
  bench
    .command('check')
    .description(
      'whether a suite’s tasks count: its `controls` close half of the gap, and with labels shuffled they do not; exit code 1 if not',
    )
    .argument('<suite>', 'suite file: YAML, JSON or TypeScript (a TypeScript suite executes code)')
    .option(...results)
    .option('--concurrency <n>', 'trials at a time', atLeastOne, 1)
    .option('--minutes <n>', 'start no trial after so long; the next call goes on', positiveNumber)
    .addOption(deviceOption('what computes, if not the suite’s device'))
    .option('--retry-failed', 'run again what failed')
    .option('--output <file>', 'write the table to a file')
    .option('--json', 'every trial as a line of JSON, the verdicts last')
    .action(async (file: string, flags: BenchCheckFlags) => {
      const { benchRun } = await import('../bench-run.js');
      const { benchTasks } = await import('../bench-report.js');
      await benchRun(file, flags, terminal, true);
      if (!(await benchTasks(file, flags, terminal))) process.exitCode = 1;
    });
  bench
    .command('report')
    .description('write a page, tables and Pareto pictures of what was measured')
    .argument('[suite]', 'only this suite’s cells, with money at its prices')
    .option(...results)
    .option('--output <folder>', 'folder of the report', 'bench-report')
    .option('--cost <measure>', 'what the pictures set quality against', 'peakBytes')
    .option('--json', 'the numbers, and which files were written')
    .action(async (suite: string | undefined, flags: BenchReportFlags) => {
      const { benchReport } = await import('../bench-report.js');
      await benchReport(suite, flags, terminal);
    });
  bench
    .command('compare')
    .description(
      'what is better or worse in the second results than in the first, beyond noise; exit code 1 if anything is worse',
    )
    .argument('<before>', 'folder of results, or a commit')
    .argument('<after>', 'folder of results, or a commit')
    .option(...results)
    .option('--gate <share>', 'a difference up to this share of the first counts as none', fraction, 0.02)
    .option('--measures <name>', 'compare only this: quality, forgetting, peakBytes, …; repeatable', collect)
    .option('--json', 'as JSON')
    .action(async (before: string, after: string, flags: BenchCompareFlags) => {
      const { benchCompare } = await import('../bench-report.js');
      if (await benchCompare([before, after], flags, terminal)) process.exitCode = 1;
    });
  bench
    .command('import')
    .description('take results of PEFT’s method comparison (MetaMathQA) into a folder of results')
    .argument('<files...>', 'its result files')
    .option(...results)
    .option('--json', 'as JSON')
    .action(async (files: string[], flags: { readonly results: string }) => {
      const { benchImport } = await import('../bench-report.js');
      await benchImport(files, flags.results, terminal);
    });
  bench
    .command('advise')
    .description('which method to take for a task, going by what was measured, and how sure that is')
    .option(...results)
    .option('--goal <task>', 'the task; every task if not said')
    .option('--memory <size>', 'memory that there is, such as 500MB or 2GB', bytes)
    .option('--time <duration>', 'time that training may take, such as 90s, 30m or 2h', seconds)
    .option('--json', 'a line of JSON a task')
    .action(async (flags: BenchAdviseFlags) => {
      const { benchAdvise } = await import('../bench-report.js');
      await benchAdvise(flags, terminal);
    });
  bench
    .command('tasks')
    .description('the tasks that a suite may name')
    .option('--json', 'as JSON')
    .action(async () => {
      const { hubTasks, offlineTasks } = await import('@tunesmith/bench');
      const tasks = [...offlineTasks, ...hubTasks].map(({ rows: _, ...task }) => task);
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

function bytes(text: string): number {
  return quantity(text, { B: 1, KB: 1e3, MB: 1e6, GB: 1e9, TB: 1e12 });
}

function seconds(text: string): number {
  return quantity(text, { s: 1, m: 60, h: 3600 });
}

/** A number with its unit. */
function quantity(text: string, units: Readonly<Record<string, number>>): number {
  const [, number = '', unit = ''] = /^([\d.]+)\s*([a-zA-Z]+)$/.exec(text) ?? [];
  const value = Number(number) * (units[unit] ?? Number.NaN);
  if (number !== '' && value > 0) return value;
  throw new InvalidArgumentError(`Expected a number and one of ${Object.keys(units).join(', ')}.`);
}
