import { copyFile, mkdir, readFile, stat, symlink } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { writeFileAtomically } from '../files/atomic-write.js';
import { isMissing } from '../files/missing-file.js';
import { readJsonObject } from '../json/strict-json.js';
import { configFile, weightIndexFile, weightsFile } from '../model-folder/folder-files.js';
import { parseWeightIndex, staysInside } from '../model-folder/weight-index.js';
import type { Repository } from './repository.js';

/**
 * A repository's place in the Hugging Face cache, laid out as huggingface_hub (Python) has it, so that both share downloads:
 * `models--org--name/{refs/<revision>, blobs/<digest>, snapshots/<commit>/<file> → ../../blobs/<digest>}`.
 */
export interface HubCache {
  /** The commit that a branch or tag pointed to when it was last downloaded. */
  commitOf(revision: string): Promise<string | undefined>;
  remember(revision: string, commit: string): Promise<void>;
  snapshot(commit: string): string;
  blob(digest: string): string;
  /** Makes a blob appear as a file of a snapshot. */
  link(commit: string, file: string, digest: string): Promise<void>;
}

/** @throws CONFIG_INVALID for a name that is no repository's */
export function hubCache(cacheDir: string, name: string, type: Repository['type']): HubCache {
  if (!/^[\w.-]+(\/[\w.-]+)?$/.test(name) || !staysInside(name)) {
    throw new TunesmithError('CONFIG_INVALID', `this is no ${type} name`, {
      got: JSON.stringify(name),
      expected: 'owner/name, as in HuggingFaceTB/SmolLM2-135M',
    });
  }
  const home = join(cacheDir, `${type}s--${name.replace('/', '--')}`);
  const reference = (revision: string) => join(home, 'refs', revision);
  const blob = (digest: string) => join(home, 'blobs', digest);
  const snapshot = (commit: string) => join(home, 'snapshots', commit);
  return {
    snapshot,
    blob,
    commitOf: (revision) => readFile(reference(revision), 'utf8').then((text) => text.trim(), orUndefined),
    async remember(revision, commit) {
      await writeFileAtomically(reference(revision), (handle) => handle.writeFile(commit));
    },
    async link(commit, file, digest) {
      const path = join(snapshot(commit), file);
      if ((await sizeOf(path)) !== undefined) return;
      await mkdir(dirname(path), { recursive: true });
      try {
        await symlink(relative(dirname(path), blob(digest)), path);
      } catch (error) {
        // Windows makes symbolic links for administrators only.
        if ((error as NodeJS.ErrnoException).code !== 'EPERM') throw error;
        await copyFile(blob(digest), path);
      }
    },
  };
}

/** A file's size, or undefined where there is none. */
export function sizeOf(path: string): Promise<number | undefined> {
  return stat(path).then(({ size }) => size, orUndefined);
}

/** Whether a snapshot holds a model: weights are downloaded last, so all else is there with them. */
export async function isComplete(snapshot: string): Promise<boolean> {
  const has = async (file: string) => (await sizeOf(join(snapshot, file))) !== undefined;
  if (!(await has(configFile))) return false;
  if (await has(weightsFile)) return true;
  if (!(await has(weightIndexFile))) return false;
  const index = join(snapshot, weightIndexFile);
  const present = await Promise.all([...parseWeightIndex(await readJsonObject(index), index).keys()].map(has));
  return present.every(Boolean);
}

function orUndefined(error: unknown): undefined {
  if (!isMissing(error)) throw error;
}
