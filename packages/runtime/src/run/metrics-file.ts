import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import type { MetricsSink, TrainerEvent } from '@tunesmith/core';
import { TunesmithError } from '@tunesmith/core';

/** The version of the lines of metrics.jsonl. */
const metricsVersion = 1;

/** A sign that the training goes wrong, seen in what the step was to learn from. */
export interface WarningLine {
  readonly type: 'warning';
  readonly step: number;
  readonly message: string;
}

/** A line of metrics.jsonl: an event of the trainer, or a warning, with the process's memory at its height. */
export type MetricsLine = (TrainerEvent | WarningLine) & { readonly peakBytes: number };

export interface MetricsFile extends MetricsSink {
  write(event: TrainerEvent): void;
  /** Writes a warning as one of the step after the last: what shows it is read before that is taken, and again where it is resumed. */
  warn(message: string): void;
  /** Puts on the disk what was written. */
  flush(): void;
  close(): void;
}

/**
 * Opens a run's metrics file to append to it: JSON lines, the first saying the version. When a run is resumed after step
 * `after`, what an earlier process wrote of later steps is cut off, and so is a line that it did not finish.
 */
export function openMetricsFile(path: string, after: number): MetricsFile {
  const kept = keptLines(path, after);
  // Replaced in one step, so that a process killed here loses nothing.
  writeFileSync(`${path}.tmp`, kept.map((line) => `${line}\n`).join(''));
  renameSync(`${path}.tmp`, path);
  const file = openSync(path, 'a');
  let step = Math.max(0, after);
  const append = (event: TrainerEvent | WarningLine): void => {
    const line: MetricsLine = { ...event, peakBytes: peakBytes() };
    writeSync(file, `${JSON.stringify(line)}\n`);
  };
  return {
    write(event) {
      step = event.step;
      append(event);
    },
    warn: (message) => append({ type: 'warning', step: step + 1, message }),
    flush: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

/** The events of a run's metrics file. @throws API_VERSION for the file of a newer Tunesmith */
export function readMetrics(path: string): MetricsLine[] {
  return keptLines(path, Number.POSITIVE_INFINITY)
    .slice(1)
    .map((line) => JSON.parse(line) as MetricsLine);
}

/** The most memory that this process ever held, in bytes. */
export function peakBytes(): number {
  return process.resourceUsage().maxRSS * 1024; // maxRSS is in kilobytes on every system (libuv)
}

function keptLines(path: string, after: number): string[] {
  const header = JSON.stringify({ type: 'metrics', version: metricsVersion });
  const [first, ...events] = wholeLines(path);
  if (first === undefined) return [header];
  const { version } = JSON.parse(first) as { version?: unknown };
  if (typeof version !== 'number' || version > metricsVersion) {
    throw new TunesmithError('API_VERSION', 'the metrics file was written by another Tunesmith', {
      where: path,
      expected: `version ${metricsVersion}`,
      got: String(version),
    });
  }
  const last = events.findLastIndex((line) => (JSON.parse(line) as TrainerEvent).step <= after);
  return [first, ...events.slice(0, last + 1)];
}

/** The lines that end in a newline; none where there is no file. */
function wholeLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').slice(0, -1);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
