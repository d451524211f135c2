import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  cellName,
  hubTasks,
  offlineTasks,
  openResultStore,
  parseShard,
  readSuite,
  runSuite,
  type TrialEvent,
  type TrialResult,
} from '@tunesmith/bench';
import type { BenchRunFlags } from './commands/bench.js';
import { cacheFolder, hubSettings, pluginRoots } from './engine.js';
import { formatDuration, formatRate } from './format.js';
import type { Terminal } from './terminal.js';

/** Runs what is left of a suite, or of its controls alone, tells of every trial, and says what is still left. */
export async function benchRun(
  file: string,
  flags: BenchRunFlags,
  terminal: Terminal,
  controlsOnly = false,
): Promise<void> {
  const { results, concurrency, shard, minutes, device, retryFailed = false } = flags;
  const suite = { ...(await readSuite(file)), ...(device !== undefined && { device }) };
  const store = await openResultStore(resolve(results));
  const workFolder = await mkdtemp(join(tmpdir(), 'tunesmith-bench-'));
  const isTimed = concurrency === 1;
  if (!terminal.json && !controlsOnly) {
    terminal.note(
      isTimed
        ? 'one trial at a time, so that times can be compared; keep the machine otherwise idle'
        : `${concurrency} trials at a time; each cell is timed once more afterwards, alone`,
    );
  }
  try {
    const done = await runSuite({
      ...{ suite, store, concurrency, retryFailed, workFolder, controlsOnly },
      tasks: [...offlineTasks, ...hubTasks],
      entry: fileURLToPath(new URL('./trial-child.js', import.meta.url)),
      roots: pluginRoots(),
      hub: hubSettings(),
      cacheFolder: cacheFolder(),
      ...(shard !== undefined && { shard: parseShard(shard) }),
      ...(minutes !== undefined && { until: new Date(Date.now() + 60_000 * minutes) }),
      onTrial: (event) => showTrial(event, terminal),
    });
    terminal.status('');
    const left = done.total - done.done - done.givenUp;
    if (terminal.json) return terminal.printJson({ type: 'result', ...done, left, results: store.folder });
    const failed = done.failed > 0 ? `, ${done.failed} of them failed` : '';
    terminal.print(`${done.done} of ${done.total} trials have a result (${done.reused} had one before)${failed}.`);
    if (done.givenUp > 0) terminal.print(`${done.givenUp} did not run: every learning rate of their cell failed.`);
    if (left > 0) terminal.print(`${left} are left: the same command goes on with them.`);
  } finally {
    store.close();
    await rm(workFolder, { recursive: true, force: true });
  }
}

function showTrial(event: TrialEvent, terminal: Terminal): void {
  const { type, request, result } = event;
  const { cell, kind, seed, learningRate, key } = request;
  if (terminal.json) {
    terminal.printJson({ type, key, cell, kind, seed, learningRate, outcome: result?.trial.outcome.status ?? null });
    return;
  }
  const name = `${cellName(cell)}, ${kind}, seed ${seed}, rate ${formatRate(learningRate)}`;
  if (type === 'started') terminal.status(name);
  if (type === 'finished' && result !== undefined) terminal.note(`${name}: ${outcomeText(result)}`);
}

/** What a trial came to, in a few words. */
function outcomeText({ trial }: TrialResult): string {
  const { outcome, task, kind } = trial;
  if (outcome.status === 'failed') return `${outcome.failure.kind}: ${outcome.failure.message}`;
  const { quality, costs } = outcome.measurement;
  const { name } = task.metric;
  const split = kind === 'tuning' ? 'validation' : 'test';
  const value = quality[split].metrics[name] ?? quality[split].loss;
  return `${name} ${value.toPrecision(3)} (${split}), ${formatDuration(costs.totalSeconds)}`;
}
