import { type Backend, TunesmithError } from '@tunesmith/core';
import { loadDevice, type TfjsDevice } from './device.js';
import { TfjsExecutable } from './tfjs-executable.js';
import { TfjsStore } from './tfjs-store.js';

export interface TfjsBackend extends Backend {
  /** The package that was taken, and why: for `plan` and logs. */
  readonly reason: string;
}

export interface TfjsBackendOptions {
  /** Take this one, or throw BACKEND_UNAVAILABLE; without it, the best that is installed. */
  readonly prefer?: TfjsDevice;
}

/**
 * A backend that runs programs eagerly, op by op, on TensorFlow.js: on tfjs-node-gpu or tfjs-node where they are
 * installed, else on its portable CPU backend, which is slow and meant for tests. Programs run synchronously and leave
 * the active tfjs backend as they found it.
 */
export async function createTfjsBackend({ prefer }: TfjsBackendOptions = {}): Promise<TfjsBackend> {
  const { backendName, reason } = await loadDevice(prefer);
  return {
    name: `tfjs-${backendName}`,
    reason,
    createStore: () => new TfjsStore(backendName),
    compile: async (program, store) => {
      if (store instanceof TfjsStore) return new TfjsExecutable(program, store, backendName);
      throw new TunesmithError('INTERNAL', 'a program is compiled against a store of its own backend', {
        where: `program ${program.name}`,
      });
    },
  };
}
