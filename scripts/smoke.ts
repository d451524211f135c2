/**
 * Packs every package, installs the tarballs into an empty project as a user would, imports each, and runs a tiny
 * program: what works here works from npm.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { withTarballs } from './pack.js';
import { report, root } from './workspace.js';

await withTarballs(async (tarballs) => {
  const project = mkdtempSync(join(tmpdir(), 'tunesmith-smoke-'));
  const run = (command: string, ...options: string[]) =>
    spawnSync(command, options, { cwd: project, stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
  try {
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
      devDependencies: Record<string, string>;
    };
    const dependencies = {
      ...Object.fromEntries([...tarballs].map(([name, tarball]) => [name, `file:${tarball}`])),
      vitest: devDependencies.vitest, // a peer of @tunesmith/testing; its newest major needs a newer Node than ours
    };
    writeFileSync(join(project, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies }));
    cpSync(join(root, 'scripts/smoke-program.js'), join(project, 'smoke-program.js'));
    const works =
      run('npm', 'install', '--ignore-scripts', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error') &&
      run(process.execPath, 'smoke-program.js', ...tarballs.keys());
    report(
      `${tarballs.size} packed packages, installed into an empty project`,
      works ? [] : ['the packed packages fail'],
    );
  } finally {
    rmSync(project, { recursive: true, force: true });
  }
});
