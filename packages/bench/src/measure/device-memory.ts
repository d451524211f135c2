import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { MetricsSink } from '@tunesmith/core';
import type { Device } from '@tunesmith/runtime';

/** Whether a device is a GPU, with memory beside the process's. */
export function hasOwnMemory(device: Device): boolean {
  return device === 'cuda' || device === 'webgpu';
}

/** What the driver says of the first NVIDIA GPU; null where there is none, or nothing that tells. */
async function askDriver(query: string): Promise<string | null> {
  const options = [`--query-gpu=${query}`, '--format=csv,noheader,nounits', '--id=0'];
  return promisify(execFile)('nvidia-smi', options).then(
    ({ stdout }) => stdout.trim(),
    () => null,
  );
}

/** The name of the first NVIDIA GPU; null where there is none. */
export function deviceName(): Promise<string | null> {
  return askDriver('name');
}

/** Bytes in use on the first NVIDIA GPU, by whatever runs on it; null where nothing tells. */
export async function deviceMemory(): Promise<number | null> {
  const mebibytes = Number((await askDriver('memory.used')) ?? Number.NaN);
  return Number.isFinite(mebibytes) ? mebibytes * 2 ** 20 : null;
}

export interface DeviceMeter {
  /** Looks when a run evaluates and when it ends: sessions keep the most that they ever took. */
  readonly sink: MetricsSink;
  /** The most that was in use over what was before, of one run where nothing else uses the device. */
  peakBytes(): number | null;
}

/** Starts to watch over the memory of a device that has its own. */
export async function startDeviceMeter(read: () => Promise<number | null> = deviceMemory): Promise<DeviceMeter> {
  const before = await read();
  let most = before;
  return {
    sink: {
      async write({ type }) {
        if (before === null || (type !== 'evaluate' && type !== 'end')) return;
        most = Math.max(most ?? before, (await read()) ?? before);
      },
    },
    peakBytes: () => (before === null || most === null ? null : most - before),
  };
}
