import { describeSurroundings } from '../measure/surroundings.js';
import type { TrialPlace } from '../trial/trial-request.js';
import { chooseRate } from './choose-rate.js';
import { type PlannedCell, planSuite, type SuitePlanOptions } from './suite-plan.js';
import { createTrialPool } from './trial-pool.js';
import { createTrialRunner, type TrialCounts, type TrialRunner, type TrialRunnerOptions } from './trial-runner.js';

export interface RunSuiteOptions
  extends SuitePlanOptions,
    Omit<TrialPlace, 'roots' | 'cacheFolder' | 'hub'>,
    Omit<TrialRunnerOptions, 'place' | 'surroundings' | 'run' | 'entry'> {
  /** 1 if not said, so that times can be compared. With more, each cell is timed once more, alone. */
  readonly concurrency?: number;
  /** Runs a trial; in a process that a thread watches over if not said. */
  readonly run?: TrialRunnerOptions['run'];
}

export interface SuiteRun extends Readonly<TrialCounts> {
  readonly total: number;
  /** Trials that no call will run, because every learning rate of their cell failed. */
  readonly givenUp: number;
}

/**
 * Runs a suite's trials that have no result yet. A cell's learning rate is chosen by as many trials as any other's; then its
 * seeds run with it. Whatever ends this process, what is finished stays, and the next call goes on from there.
 */
export async function runSuite(options: RunSuiteOptions): Promise<SuiteRun> {
  const { suite, concurrency = 1, roots, hub, cacheFolder, workFolder } = options;
  const cells = await planSuite(options);
  const surroundings = await describeSurroundings(roots[0] ?? '.', suite.device);
  const pool = options.run === undefined ? createTrialPool(concurrency) : null;
  const runner = createTrialRunner({
    ...options,
    place: { roots, cacheFolder, workFolder, ...(hub && { hub }) },
    surroundings,
    run: options.run ?? (pool as NonNullable<typeof pool>).run,
  });
  const isAlone = concurrency === 1;
  const seeds = options.controlsOnly ? suite.seeds.slice(0, 1) : suite.seeds;
  const isTimedApart = ({ isControl }: PlannedCell): boolean => !isAlone && !isControl && !options.controlsOnly;
  const trialsOf = (cell: PlannedCell): number => seeds.length + (isTimedApart(cell) ? 1 : 0);
  let givenUp = 0;
  try {
    const rates = new Map<PlannedCell, number>();
    await inTurn(cells, concurrency, async (cell) => {
      const rate = await tune(cell, suite.tuning.seed, isAlone, runner);
      if (rate === 'unfinished') return;
      if (rate === null) {
        givenUp += trialsOf(cell);
        return;
      }
      if (isTimedApart(cell)) rates.set(cell, rate);
      await Promise.all(
        seeds.map((seed) => runner.result(cell.request({ kind: 'seed', seed, learningRate: rate, alone: isAlone }))),
      );
    });
    // Alone, after the rest: with more than one at a time, the others' times say little.
    for (const [cell, learningRate] of rates) {
      await runner.result(cell.request({ kind: 'timing', seed: suite.seeds[0] as number, learningRate, alone: true }));
    }
  } finally {
    await pool?.close();
  }
  const total = cells.reduce((sum, cell) => sum + suite.tuning.trials + trialsOf(cell), 0);
  return { ...runner.counts, total, givenUp };
}

/** The learning rate that did best; null where none did, `unfinished` where the time ran out. */
async function tune(
  cell: PlannedCell,
  seed: number,
  alone: boolean,
  runner: TrialRunner,
): Promise<number | null | 'unfinished'> {
  const trials = await Promise.all(
    cell.learningRates.map(async (learningRate) => {
      const result = await runner.result(cell.request({ kind: 'tuning', seed, learningRate, alone }));
      return result && { learningRate, outcome: result.trial.outcome };
    }),
  );
  const finished = trials.filter((trial) => trial !== null);
  return finished.length < trials.length ? 'unfinished' : chooseRate(finished, cell.task.metric);
}

/** Takes items one after another, so many at a time. */
async function inTurn<Item>(items: readonly Item[], count: number, take: (item: Item) => Promise<void>): Promise<void> {
  const pending = items[Symbol.iterator]();
  const lanes = Array.from({ length: count }, async () => {
    for (const item of pending) await take(item);
  });
  await Promise.all(lanes);
}
