/** Packs every package and asks publint and are-the-types-wrong whether users can import it as they should. */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { withTarballs } from './pack.js';
import { report, root } from './workspace.js';

const run = promisify(execFile);

const checks = [
  ['publint', '--strict'],
  ['attw', '--profile', 'esm-only', '--format', 'ascii', '--no-color', '--no-emoji'],
] as const;

await withTarballs(async (tarballs) => {
  const waiting = [...tarballs].flatMap(([name, tarball]) =>
    checks.map(([tool, ...options]) => ({ name, tool, command: [...options, tarball] })),
  );
  const problems: string[] = [];
  const work = async () => {
    for (let task = waiting.shift(); task; task = waiting.shift()) {
      try {
        await run(join(root, 'node_modules/.bin', task.tool), task.command);
      } catch (failure) {
        problems.push(`${task.tool} on ${task.name}:\n${(failure as { stdout: string }).stdout}`);
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  report(`publint and are-the-types-wrong on ${tarballs.size} packages`, problems);
});
