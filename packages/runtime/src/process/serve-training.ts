import { once } from 'node:events';
import type { RunResult } from '../train/run-result.js';
import type { TrainOptions } from '../train/train.js';
import { type ChildMessage, failureOf, type ParentMessage, type TrainingRequest } from './messages.js';

/**
 * The training process: waits for its parent's request, trains, and tells of it. It ends by itself, never inside native
 * code: when the parent asks, ends or dies, the step in hand is finished and a checkpoint written first.
 */
export async function serveTraining(
  run: (request: TrainingRequest, options: TrainOptions) => Promise<RunResult>,
): Promise<void> {
  const stop = new AbortController();
  const tell = (message: ChildMessage): void => {
    if (process.connected) process.send?.(message, () => {});
  };
  // Ctrl-C reaches every process of the terminal; the parent decides what it means.
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => stop.abort());
  process.on('disconnect', () => stop.abort());
  process.on('message', (message: ParentMessage) => {
    if (message.type === 'stop') stop.abort();
  });
  const requested = once(process, 'message', { signal: stop.signal });
  tell({ type: 'ready' });
  try {
    const [message] = (await requested) as [Extract<ParentMessage, { type: 'train' }>];
    const result = await run(message.request, {
      signal: stop.signal,
      onPhase: (phase) => tell({ type: 'phase', phase }),
      onWarning: (warning) => tell({ type: 'warning', warning }),
      sinks: [{ write: (event) => tell({ type: 'event', event }) }],
    });
    tell({ type: 'result', result });
  } catch (error) {
    tell({ type: 'failure', failure: failureOf(error) });
  } finally {
    // The channel alone keeps the process alive now; messages under way are still sent.
    if (process.connected) process.disconnect();
  }
}
