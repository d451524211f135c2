import { composeResult, type Surroundings } from '../store/compose-result.js';
import type { TrialResult } from '../store/result-file.js';
import type { ResultStore } from '../store/result-store.js';
import type { TrialProcessOptions } from '../trial/trial-process.js';
import type { TrialPlace, TrialRequest } from '../trial/trial-request.js';
import type { TrialOutcome } from '../trial/trial-result.js';
import { createQueue } from './queue.js';

/** What happens to the trials of a suite. */
export interface TrialEvent {
  readonly type: 'reused' | 'started' | 'finished';
  readonly request: TrialRequest;
  /** Absent where it has only started. */
  readonly result?: TrialResult;
}

export interface TrialRunnerOptions {
  readonly store: ResultStore;
  /** The module that a trial's process runs. */
  readonly entry: string;
  readonly place: TrialPlace;
  readonly surroundings: Surroundings;
  readonly run: (options: TrialProcessOptions) => Promise<TrialOutcome>;
  /** Trials at a time; 1 if not said. */
  readonly concurrency?: number;
  /** When to start no more trials. */
  readonly until?: Date;
  /** Whether to run again what failed. */
  readonly retryFailed?: boolean;
  readonly onTrial?: (event: TrialEvent) => void;
}

export interface TrialCounts {
  /** Trials with a result now, those of earlier calls among them. */
  done: number;
  /** Of these, those that had one before. */
  reused: number;
  failed: number;
}

export interface TrialRunner {
  readonly counts: Readonly<TrialCounts>;
  /** A trial's result, from the store or by running it; null where there was no time left to start it. */
  result(request: TrialRequest): Promise<TrialResult | null>;
}

export function createTrialRunner(options: TrialRunnerOptions): TrialRunner {
  const { store, entry, place, surroundings, run, until, retryFailed = false } = options;
  const { concurrency = 1, onTrial = () => {} } = options;
  const inTurn = createQueue(concurrency);
  const counts: TrialCounts = { done: 0, reused: 0, failed: 0 };
  const count = (result: TrialResult): TrialResult => {
    counts.done++;
    if (result.trial.outcome.status === 'failed') counts.failed++;
    return result;
  };
  return {
    counts,
    async result(request) {
      const found = store.get(request.key);
      if (found !== undefined && !(retryFailed && found.trial.outcome.status === 'failed')) {
        counts.reused++;
        onTrial({ type: 'reused', request, result: count(found) });
        return found;
      }
      return inTurn(async () => {
        // Asked when it is this trial's turn: of those that wait then, none is started.
        if (until !== undefined && Date.now() >= until.getTime()) return null;
        onTrial({ type: 'started', request });
        const outcome = await run({ entry, request, place });
        const result = composeResult(request, outcome, surroundings, new Date());
        await store.save(result);
        onTrial({ type: 'finished', request, result: count(result) });
        return result;
      });
    },
  };
}
