import { createRequire } from 'node:module';
import util from 'node:util';
import { completeGradients, TunesmithError, tf } from '@tunesmith/core';

const require = createRequire(import.meta.url);

/** What a tfjs backend can run on, best first, and the package that brings it. */
const devices = {
  'tfjs-node-gpu': optionalPeer('@tensorflow/tfjs-node-gpu'),
  'tfjs-node': optionalPeer('@tensorflow/tfjs-node'),
  cpu: {
    specifier: '@tensorflow/tfjs-backend-cpu',
    backendName: 'cpu',
    load: () => import('@tensorflow/tfjs-backend-cpu'),
  },
};

/** Required rather than imported: a CommonJS package that neither a compiler nor a bundler may ask for. */
function optionalPeer(specifier: string) {
  return { specifier, backendName: 'tensorflow', load: async () => require(specifier) as unknown };
}

export type TfjsDevice = keyof typeof devices;

export interface LoadedDevice {
  /** The name that tfjs knows the backend by. */
  readonly backendName: string;
  /** Which package was taken, and why none before it. */
  readonly reason: string;
}

/** Loads the preferred device, or else the best that is installed; throws BACKEND_UNAVAILABLE if it does not load. */
export async function loadDevice(prefer?: TfjsDevice): Promise<LoadedDevice> {
  const candidates = prefer === undefined ? (Object.keys(devices) as TfjsDevice[]) : [prefer];
  const failures: string[] = [];
  for (const device of candidates) {
    const failure = await initialise(device);
    if (failure === undefined) {
      const because = prefer === device ? 'as asked' : ['the best installed', ...failures].join('; ');
      return { backendName: devices[device].backendName, reason: `${device}: ${because}` };
    }
    failures.push(`${device} ${failure}`);
  }
  throw new TunesmithError('BACKEND_UNAVAILABLE', failures.join('; '), {
    hint: `Install ${devices[prefer ?? 'cpu'].specifier}, or ask for another device.`,
  });
}

/** Undefined once the device's backend is ready, else why it is not. Leaves the active backend as it was. */
async function initialise(device: TfjsDevice): Promise<string | undefined> {
  const { specifier, backendName, load } = devices[device];
  if (!isInstalled(specifier)) return 'is not installed';
  const active = tf.getBackend();
  try {
    bringBackRemovedUtil();
    await load();
    completeGradients(); // tfjs-node brings a copy of TensorFlow.js that registered the stock ones again
    // A failed import leaves kernels behind but no backend: only the backend's own name tells.
    if (tf.findBackendFactory(backendName) == null) return 'registers no backend';
    if (!(await tf.setBackend(backendName))) return 'does not initialise';
    return undefined;
  } catch (error) {
    // A missing native addon is an error without a code, so that nothing finer can be said of it.
    return `does not load (${firstLine(error)})`;
  } finally {
    if (active) await tf.setBackend(active);
  }
}

/** tfjs 4.22 still calls this, which Node 23 removed. */
function bringBackRemovedUtil(): void {
  const legacy = util as { isNullOrUndefined?: (value: unknown) => boolean };
  legacy.isNullOrUndefined ??= (value) => value === null || value === undefined;
}

function isInstalled(specifier: string): boolean {
  try {
    require.resolve(specifier);
    return true;
  } catch {
    return false;
  }
}

function firstLine(error: unknown): string {
  return String(error instanceof Error ? error.message : error).split('\n')[0] ?? '';
}
