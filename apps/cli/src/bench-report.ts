import { mkdir, stat, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import {
  type Advice,
  advise,
  type Board,
  type Change,
  compareResults,
  createReport,
  doubtfulTasks,
  formatSpread,
  formatValue,
  importPeftResult,
  openResultStore,
  paretoPicture,
  type Report,
  rasterise,
  readPeftResults,
  readSuite,
  reportHtml,
  reportMarkdown,
  type TrialResult,
  taskTable,
  verdictOf,
} from '@tunesmith/bench';
import { didYouMean, TunesmithError } from '@tunesmith/core';
import type { BenchAdviseFlags, BenchCheckFlags, BenchCompareFlags, BenchReportFlags } from './commands/bench.js';
import type { Terminal } from './terminal.js';

/** Writes the report of a folder of results: a page, tables, and the Pareto picture of each task. */
export async function benchReport(
  suiteFile: string | undefined,
  flags: BenchReportFlags,
  terminal: Terminal,
): Promise<void> {
  const report = await readReport(suiteFile, flags.results);
  const folder = resolve(flags.output);
  await mkdir(folder, { recursive: true });
  const written: string[] = [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    await writeFile(join(folder, name), content);
    written.push(join(folder, name));
  };
  await write('report.html', await reportHtml(report));
  await write('report.md', reportMarkdown(report));
  for (const board of report.boards) {
    const svg = await paretoPicture(board, flags.cost);
    if (svg === null) continue;
    const name = `pareto-${board.title.replaceAll(/[^\w.-]+/g, '-')}`;
    await write(`${name}.svg`, svg);
    await write(`${name}.png`, await rasterise(svg));
  }
  if (terminal.json)
    return terminal.printJson({ trials: report.trials, written, boards: report.boards.map(boardJson) });
  for (const path of written) terminal.print(path);
}

/** A board's numbers for programs. */
function boardJson({ model, task, budget, metric, separation, rows }: Board): object {
  return {
    ...{ model, task, budget, metric, separation },
    methods: rows.map(({ cell, untrained, values, seeds, learningRate, failures }) => ({
      method: cell.method,
      ...{ seeds, learningRate, failures, untrained, values },
    })),
  };
}

/** Says of a suite's tasks whether they count, and by the result whether all do. */
export async function benchTasks(
  suiteFile: string,
  { results, output }: Pick<BenchCheckFlags, 'results' | 'output'>,
  terminal: Terminal,
): Promise<boolean> {
  const report = await readReport(suiteFile, results);
  const doubtful = doubtfulTasks(report);
  const table = taskTable(report);
  if (output !== undefined) await writeFile(resolve(output), table);
  if (terminal.json) {
    const tasks = report.boards.map((board) => ({
      ...{ task: board.task, model: board.model, verdict: verdictOf(board), separation: board.separation },
      shuffled: board.control?.separation ?? null,
    }));
    terminal.printJson({ type: 'tasks', tasks });
  } else terminal.print(table.trimEnd());
  return doubtful.length === 0;
}

/** Compares two sets of results and says by the exit code whether the second is worse. */
export async function benchCompare(
  [before, after]: readonly [string, string],
  { results, gate, measures }: BenchCompareFlags,
  terminal: Terminal,
): Promise<boolean> {
  const sides = [await readSide(before, results), await readSide(after, results)] as const;
  const { changes: all, onlyBefore, onlyAfter } = compareResults(...sides, gate);
  const changes = measures === undefined ? all : all.filter(({ measure }) => measures.includes(measure));
  const isWorse = onlyBefore.length > 0 || changes.some(({ verdict }) => verdict === 'worse');
  if (terminal.json) {
    terminal.printJson({ worse: isWorse, changes, onlyBefore, onlyAfter });
    return isWorse;
  }
  const told = changes.filter(({ verdict }) => verdict !== 'same');
  for (const change of told) terminal.print(changeText(change));
  const same = changes.length - told.length;
  terminal.print(
    `${same} of ${changes.length} comparisons show no difference beyond noise and the gate of ${100 * gate} %.`,
  );
  if (onlyBefore.length > 0) terminal.print(`Without a result in ${after}: ${onlyBefore.join(', ')}`);
  if (onlyAfter.length > 0) terminal.print(`New in ${after}: ${onlyAfter.join(', ')}`);
  return isWorse;
}

function changeText({ cell, label, unit, before, after, difference, verdict }: Change): string {
  const name = `${cell.model}/${cell.task}/${cell.method}/${cell.budget}`;
  const interval =
    difference === null
      ? 'too few seeds to say'
      : `95 % of the difference: ${formatValue(difference.low, unit)} to ${formatValue(difference.high, unit)}, ${difference.paired ? 'by seed' : 'seeds differ'}`;
  return `${verdict}  ${name}, ${label}: ${formatValue(before, unit)} → ${formatValue(after, unit)} (${interval})`;
}

/** A folder of results, or of the folder `--results` those of a commit. */
async function readSide(side: string, results: string): Promise<TrialResult[]> {
  const isFolder = await stat(side).then(
    (found) => found.isDirectory(),
    () => false,
  );
  const isCommit = !isFolder && /^[0-9a-f]{4,40}$/.test(side);
  const found = await withStore(isFolder ? side : results, ({ select }) =>
    isCommit ? select('commit_hash LIKE ?', `${side}%`) : isFolder ? select('1') : [],
  );
  if (found.length > 0) return found;
  throw new TunesmithError('FILE_MISSING', 'there are no results', {
    where: side,
    expected: `a folder of results, or a commit that ${results} has results of`,
  });
}

/** Takes results of PEFT's method comparison into a folder of results. */
export async function benchImport(files: readonly string[], results: string, terminal: Terminal): Promise<void> {
  const names: string[] = [];
  for (const file of files) names.push((await importPeftResult(resolve(results), file)).run_info.experiment_name);
  if (terminal.json) return terminal.printJson({ imported: names });
  terminal.print(`imported ${names.length}: ${names.join(', ')}`);
}

/** Says which method to take for a task within limits, and how sure that is. */
export async function benchAdvise(flags: BenchAdviseFlags, terminal: Terminal): Promise<void> {
  const { boards } = await readReport(undefined, flags.results);
  const { goal, memory, time } = flags;
  const chosen = boards.filter(({ task, title }) => goal === undefined || task === goal || title === goal);
  if (chosen.length === 0) {
    const known = [...new Set(boards.map(({ task }) => task))];
    throw new TunesmithError('NAME_UNKNOWN', `there are no results of a task "${goal}"`, {
      where: flags.results,
      hint: didYouMean(goal ?? '', known),
    });
  }
  const limits = { ...(memory !== undefined && { memoryBytes: memory }), ...(time !== undefined && { seconds: time }) };
  for (const board of chosen) {
    const advice = advise(board, limits);
    if (terminal.json) terminal.printJson(adviceJson(advice));
    else for (const line of adviceLines(advice)) terminal.print(line);
  }
}

function adviceJson({ board, best, others, confidence, leftOut }: Advice): object {
  return {
    ...{ model: board.model, task: board.task, budget: board.budget, method: best?.cell.method ?? null, confidence },
    ...{ learningRate: best?.learningRate ?? null, settings: best?.settings ?? null, values: best?.values ?? null },
    others: others.map(({ cell }) => cell.method),
    leftOut: leftOut.map(({ row, reason }) => ({ method: row.cell.method, reason })),
  };
}

function adviceLines({ board, best, others, confidence, leftOut }: Advice): string[] {
  const excluded = leftOut.map(({ row, reason }) => `  not ${row.cell.method}: ${reason}`);
  if (best === null) return [`${board.title}: no method was measured to stay within that`, ...excluded];
  const quality = (row: typeof best): string => `${board.metric.name} ${formatSpread(row.values.quality, 'plain')}`;
  const sure =
    confidence === null
      ? 'how sure that is, too few seeds say'
      : others.length === 0
        ? 'nothing else stays within that'
        : `the best of ${others.length + 1} with a likelihood of ${(100 * confidence).toFixed(0)} %, going by ${best.seeds} seeds`;
  const [next] = others;
  return [
    `${board.title}: ${best.cell.method}, ${quality(best)}; ${sure}`,
    `  settings: ${JSON.stringify(best.settings)}, learning rate ${best.learningRate}`,
    `  peak memory ${formatSpread(best.values.peakBytes, 'bytes')}, training ${formatSpread(best.values.trainSeconds, 'seconds')}`,
    ...(next ? [`  next: ${next.cell.method}, ${quality(next)}`] : []),
    ...excluded,
  ];
}

/** With a suite, its cells alone and at its prices. */
async function readReport(suiteFile: string | undefined, folder: string): Promise<Report> {
  const suite = suiteFile === undefined ? undefined : await readSuite(suiteFile);
  const results = await withStore(folder, ({ select }) => select('1'));
  const imported = await readPeftResults(resolve(folder));
  if (results.length + imported.length > 0) return createReport({ results, imported, ...(suite && { suite }) });
  throw new TunesmithError('FILE_MISSING', 'there are no results', {
    where: folder,
    hint: 'tunesmith bench run makes some',
  });
}

async function withStore<Result>(
  folder: string,
  use: (store: Awaited<ReturnType<typeof openResultStore>>) => Result,
): Promise<Result> {
  const store = await openResultStore(resolve(folder));
  try {
    return use(store);
  } finally {
    store.close();
  }
}
