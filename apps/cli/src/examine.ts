import { fork } from 'node:child_process';
import { mkdir, statfs } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { arch, availableParallelism, cpus, freemem, platform, totalmem } from 'node:os';
import { fileURLToPath } from 'node:url';
import { discoverPlugins, type Plugin } from '@tunesmith/runtime';
import { cacheFolder, hubSettings, pluginRoots } from './engine.js';
import { devices } from './flags.js';
import { formatBytes } from './format.js';
import type { Terminal } from './terminal.js';

export interface ExaminedDevice {
  readonly device: string;
  readonly works: boolean;
  /** What computed, or why nothing did. */
  readonly detail: string;
}

/** What a machine is and can do. */
export interface Examination {
  readonly node: string;
  readonly system: string;
  readonly processor: string;
  readonly threads: number;
  readonly memoryBytes: number;
  readonly freeMemoryBytes: number;
  readonly packages: Readonly<Record<string, string | null>>;
  readonly devices: readonly ExaminedDevice[];
  readonly cache: { readonly folder: string; readonly freeBytes: number };
  readonly hub: { readonly cacheDir: string; readonly endpoint: string; readonly token: boolean };
  readonly plugins: readonly Plugin[];
}

/** Looks at the machine, and has each device compute something. */
export async function examine(onPhase: (phase: string) => void): Promise<Examination> {
  const examined: ExaminedDevice[] = [];
  for (const device of devices) {
    onPhase(`trying ${device} …`);
    examined.push(await tryDevice(device));
  }
  const folder = cacheFolder();
  await mkdir(folder, { recursive: true });
  const { bavail, bsize } = await statfs(folder);
  const { cacheDir, endpoint = 'https://huggingface.co', token } = hubSettings();
  return {
    node: process.versions.node,
    system: `${platform()} ${arch()}`,
    processor: cpus()[0]?.model.trim() ?? 'unknown',
    threads: availableParallelism(),
    memoryBytes: totalmem(),
    freeMemoryBytes: freemem(),
    packages: Object.fromEntries(
      ['onnxruntime-node', '@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'].map((name) => [name, versionOf(name)]),
    ),
    devices: examined,
    cache: { folder, freeBytes: bavail * bsize },
    hub: { cacheDir, endpoint, token: token !== undefined },
    plugins: await discoverPlugins(pluginRoots()),
  };
}

export function printExamination(examination: Examination, terminal: Terminal): void {
  const { node, system, processor, threads, memoryBytes, freeMemoryBytes, packages, cache, hub, plugins } = examination;
  const line = (name: string, text: string): void => terminal.print(`${name.padEnd(10)}${text}`);
  line('node', `${node} on ${system}`);
  line(
    'machine',
    `${processor}, ${threads} threads, ${formatBytes(memoryBytes)} of memory (${formatBytes(freeMemoryBytes)} free)`,
  );
  for (const [name, version] of Object.entries(packages)) if (version !== null) line('package', `${name} ${version}`);
  for (const { device, works, detail } of examination.devices) {
    line(device, `${works ? terminal.style('green', '✓') : terminal.style('yellow', '–')} ${detail}`);
  }
  line('cache', `${cache.folder} (${formatBytes(cache.freeBytes)} free on its disk)`);
  line('hub', `${hub.endpoint}, into ${hub.cacheDir}, ${hub.token ? 'with a token' : 'without a token (HF_TOKEN)'}`);
  for (const { name, methods, objectives, problem } of plugins) {
    line(
      'plugin',
      problem === undefined
        ? `${name}: ${[...methods, ...objectives].join(', ')}`
        : `${name}: ${terminal.style('red', problem)}`,
    );
  }
}

/** In a process of its own: a driver that crashes takes nothing else with it. */
function tryDevice(device: string): Promise<ExaminedDevice> {
  const entry = fileURLToPath(new URL('./probe-child.js', import.meta.url));
  const child = fork(entry, [device], { stdio: ['ignore', 'ignore', 'ignore', 'ipc'], timeout: 60_000 });
  return new Promise((resolve) => {
    let answer: { works: boolean; detail: string } | undefined;
    child.on('message', (message) => {
      answer = message as { works: boolean; detail: string };
    });
    child.on('error', (error) => resolve({ device, works: false, detail: error.message }));
    child.on('exit', (code, signal) => {
      resolve({
        device,
        ...(answer ?? { works: false, detail: `the probe crashed (${signal ?? `exit code ${code}`})` }),
      });
    });
  });
}

/** The version of an installed package, or null. It is looked for from the backends, whose dependency it is. */
function versionOf(name: string): string | null {
  for (const from of ['@tunesmith/backend-onnx', '@tunesmith/backend-tfjs']) {
    try {
      const require = createRequire(createRequire(import.meta.url).resolve(`${from}/package.json`));
      return (require(`${name}/package.json`) as { version: string }).version;
    } catch {
      // Not installed there.
    }
  }
  return null;
}
