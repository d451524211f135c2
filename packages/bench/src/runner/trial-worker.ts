import { runTrialProcess, type TrialProcessOptions } from '../trial/trial-process.js';
import type { TrialOutcome } from '../trial/trial-result.js';

/** What piscina's threads do: watch over a trial's process. */
export function watchTrial(options: TrialProcessOptions): Promise<TrialOutcome> {
  return runTrialProcess(options);
}
