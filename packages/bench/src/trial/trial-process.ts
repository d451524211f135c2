import { fork } from 'node:child_process';
import type { TrialTask } from './serve-trial.js';
import type { TrialFailure, TrialOutcome } from './trial-result.js';

export interface TrialProcessOptions extends TrialTask {
  /** The module that the process runs, which calls `serveTrial`. */
  readonly entry: string;
}

type Message = { readonly type: 'ready' } | { readonly type: 'outcome'; readonly outcome: TrialOutcome };

/** What of a process's last words is kept. */
const mostCharacters = 2000;

/**
 * Runs a trial in a process of its own: peak memory is a process's, and whatever happens to it happens to this trial alone.
 * A crash, too little memory or too much time is an outcome with its reason; this never rejects.
 */
export function runTrialProcess({ entry, request, place }: TrialProcessOptions): Promise<TrialOutcome> {
  const started = performance.now();
  const child = fork(entry, [], { stdio: ['ignore', 'ignore', 'pipe', 'ipc'], serialization: 'advanced' });
  let told: TrialOutcome | undefined;
  let words = '';
  let isLate = false;
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    words = (words + text).slice(-mostCharacters);
  });
  const timer = setTimeout(() => {
    isLate = true;
    child.kill('SIGKILL');
  }, request.timeoutSeconds * 1000);
  return new Promise((resolve) => {
    const end = (failure: TrialFailure): void => {
      clearTimeout(timer);
      resolve(told ?? { status: 'failed', failure, totalSeconds: (performance.now() - started) / 1000 });
    };
    child.on('message', (message: Message) => {
      if (message.type === 'ready') child.send({ request, place } satisfies TrialTask);
      else told = message.outcome;
    });
    child.on('error', (error) => end({ kind: 'crashed', message: error.message }));
    // After its pipes are read to the end.
    child.on('close', (code, signal) =>
      end(isLate ? lateAfter(request.timeoutSeconds) : deathOf(code, signal, words.trim())),
    );
  });
}

function lateAfter(seconds: number): TrialFailure {
  return { kind: 'timed-out', message: `the trial took longer than ${seconds} s` };
}

function deathOf(code: number | null, signal: NodeJS.Signals | null, words: string): TrialFailure {
  const said = words === '' ? '' : `: ${words}`;
  // Nobody here sent it: the system kills what takes the last of its memory.
  if (signal === 'SIGKILL') return { kind: 'out-of-memory', message: `the system killed the process (SIGKILL)${said}` };
  const isHeap = /heap out of memory|bad_alloc|Failed to allocate memory/.test(words);
  const how = signal === null ? `exit code ${code}` : signal;
  return { kind: isHeap ? 'out-of-memory' : 'crashed', message: `the process ended by ${how}${said}` };
}
