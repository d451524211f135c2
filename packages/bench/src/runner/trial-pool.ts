import { fileURLToPath } from 'node:url';
import { Piscina } from 'piscina';
import type { TrialProcessOptions } from '../trial/trial-process.js';
import type { TrialOutcome } from '../trial/trial-result.js';

export interface TrialPool {
  run(options: TrialProcessOptions): Promise<TrialOutcome>;
  close(): Promise<void>;
}

/** Trials side by side, and the others in a queue. A thread only watches over a trial's process. */
export function createTrialPool(concurrency: number): TrialPool {
  const pool = new Piscina({
    filename: fileURLToPath(new URL('./trial-worker.js', import.meta.url)),
    minThreads: 0,
    maxThreads: concurrency,
  });
  return {
    run: (options) => pool.run(options, { name: 'watchTrial' }),
    close: () => pool.close(),
  };
}
