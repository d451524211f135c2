import { execFile } from 'node:child_process';
import { cpus, release, totalmem } from 'node:os';
import { promisify } from 'node:util';
import type { Device } from '@tunesmith/runtime';
import type { Surroundings } from '../store/compose-result.js';
import { deviceName, hasOwnMemory } from './device-memory.js';

/** This machine with the GPU that a device stands for, and the commit of a folder if it is in a repository. */
export async function describeSurroundings(folder: string, device: Device): Promise<Surroundings> {
  const processors = cpus();
  return {
    commit: await commitOf(folder),
    system: {
      system: process.platform,
      release: release(),
      machine: process.arch,
      processor: processors[0]?.model ?? 'unknown',
      cores: processors.length,
      memoryBytes: totalmem(),
      accelerator: (hasOwnMemory(device) ? await deviceName() : null) ?? 'N/A',
    },
    packages: { 'node-version': process.versions.node },
  };
}

async function commitOf(folder: string): Promise<Surroundings['commit']> {
  const git = async (...options: string[]): Promise<string> =>
    (await promisify(execFile)('git', options, { cwd: folder })).stdout.trim();
  try {
    const hash = await git('rev-parse', 'HEAD');
    return { hash, isDirty: (await git('status', '--porcelain', '--untracked-files=no')) !== '' };
  } catch {
    return null; // No repository, or no git: a result is known by its hashes anyway.
  }
}
