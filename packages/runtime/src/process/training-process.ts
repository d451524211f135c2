import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type TrainerEvent, TunesmithError } from '@tunesmith/core';
import type { OnPhase, OnWarning } from '../model/engine.js';
import type { RunResult } from '../train/run-result.js';
import { type ChildMessage, errorOf, type ParentMessage, type TrainingRequest } from './messages.js';
import { trainingEnvironment } from './training-environment.js';

export interface TrainingProcessOptions {
  /** The module that the child runs, which calls `serveTraining`. */
  readonly entry: URL;
  readonly onEvent?: (event: TrainerEvent) => void;
  readonly onPhase?: OnPhase;
  readonly onWarning?: OnWarning;
  /** Ends the run after the step in hand, with a checkpoint. */
  readonly stop?: AbortSignal;
  /** Ends the process at once, inside a step or not. */
  readonly kill?: AbortSignal;
}

/**
 * Trains a run folder in a process of its own, so that this one stays responsive: ONNX Runtime computes synchronously.
 * What the child prints goes to stderr.
 * @throws what the child threw; ABORTED if it was killed; INTERNAL if it died
 */
export function trainInProcess(request: TrainingRequest, options: TrainingProcessOptions): Promise<RunResult> {
  const { entry, onEvent, onPhase, onWarning, stop, kill } = options;
  // Structured clones instead of JSON, for the sake of NaN.
  const child = fork(fileURLToPath(entry), [], {
    stdio: ['ignore', 2, 2, 'ipc'],
    serialization: 'advanced',
    env: trainingEnvironment(),
  });
  const tell = (message: ParentMessage): void => {
    if (child.connected) child.send(message, () => {});
  };
  const onStop = (): void => tell({ type: 'stop' });
  const onKill = (): boolean => child.kill('SIGKILL');
  stop?.addEventListener('abort', onStop);
  kill?.addEventListener('abort', onKill);

  return new Promise<RunResult>((resolve, reject) => {
    let outcome: (() => void) | undefined;
    child.on('message', (message: ChildMessage) => {
      if (message.type === 'ready') tell({ type: 'train', request });
      if (message.type === 'ready' && stop?.aborted === true) onStop();
      if (message.type === 'phase') onPhase?.(message.phase);
      if (message.type === 'warning') onWarning?.(message.warning);
      if (message.type === 'event') onEvent?.(message.event);
      if (message.type === 'result') outcome = () => resolve(message.result);
      if (message.type === 'failure') outcome = () => reject(errorOf(message.failure));
    });
    child.on('error', reject);
    // Only when the child is gone is the run's folder free for another.
    child.on('exit', (code, signal) => {
      stop?.removeEventListener('abort', onStop);
      kill?.removeEventListener('abort', onKill);
      if (outcome !== undefined) outcome();
      else reject(deathOf(request.folder, code, signal, kill?.aborted === true || stop?.aborted === true));
    });
  });
}

function deathOf(folder: string, code: number | null, signal: NodeJS.Signals | null, asked: boolean): TunesmithError {
  const hint = `Go on from its last checkpoint with \`tunesmith resume ${folder}\`.`;
  if (asked) return new TunesmithError('ABORTED', 'the training process was stopped', { where: folder, hint });
  const got = signal ?? `exit code ${code}`;
  const memory =
    signal === 'SIGKILL' ? 'The system may have been short of memory: a smaller batchSize needs less. ' : '';
  return new TunesmithError('INTERNAL', 'the training process died', { where: folder, got, hint: memory + hint });
}
