import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { root, workspacePackages } from './workspace.js';

/** Packs every published package as npm would, hands over name → tarball, and removes the tarballs afterwards. */
export async function withTarballs(use: (tarballs: ReadonlyMap<string, string>) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'tunesmith-pack-'));
  try {
    const published = workspacePackages().filter(({ manifest }) => !manifest.private);
    const workspaces = published.flatMap((member) => ['--workspace', member.folder]);
    const output = execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder, ...workspaces], {
      cwd: root,
      encoding: 'utf8',
    });
    const packed = Object.values(JSON.parse(output) as Record<string, { name: string; filename: string }>);
    await use(new Map(packed.map(({ name, filename }) => [name, join(folder, filename)])));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
