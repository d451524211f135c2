import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TunesmithError } from '@tunesmith/core';
import type { NpmPackage } from './task.js';

/**
 * The folder of a package's files, packed from the npm registry the first time and kept in `cacheFolder`. Nothing of it runs.
 * @throws NETWORK where npm cannot fetch it; FILE_INVALID where it is not what it was
 */
export async function openNpmPackage({ name, version, sha512 }: NpmPackage, cacheFolder: string): Promise<string> {
  const folder = join(cacheFolder, `${name.replaceAll(/[@/]+/g, '-').replace(/^-/, '')}-${version}`);
  const content = join(folder, 'package');
  if ((await readdir(content).catch(() => [])).length > 0) return content;
  const fetching = `${folder}.${process.pid}`;
  await mkdir(fetching, { recursive: true });
  try {
    const tarball = join(fetching, await pack(`${name}@${version}`, fetching));
    const digest = createHash('sha512')
      .update(await readFile(tarball))
      .digest('base64');
    if (digest !== sha512) {
      throw new TunesmithError('FILE_INVALID', 'the package is not what it was', {
        where: `${name}@${version}`,
        expected: `SHA-512 ${sha512}`,
        got: digest,
      });
    }
    await promisify(execFile)('tar', ['-xzf', tarball, '-C', fetching]);
    await rm(tarball);
    await rename(fetching, folder).catch((error: NodeJS.ErrnoException) => {
      // Another process was faster; what it unpacked is the same.
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    });
    return content;
  } finally {
    await rm(fetching, { recursive: true, force: true });
  }
}

async function pack(specifier: string, folder: string): Promise<string> {
  try {
    await promisify(execFile)('npm', ['pack', specifier, '--silent', '--pack-destination', folder]);
  } catch (cause) {
    throw new TunesmithError('NETWORK', 'npm cannot fetch the package', { where: specifier, cause });
  }
  const [file] = await readdir(folder);
  return file as string;
}
