/**
 * `npm run quickstart`: builds what the command line needs and fine-tunes the bundled model with LoRA, as a user would
 * with `tunesmith train quickstart.yaml`.
 */
import { spawnSync } from 'node:child_process';

function run(command: string, ...flags: string[]): void {
  const { status } = spawnSync(process.execPath, [command, ...flags], { stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}

run('scripts/turbo.js', 'run', 'build:js', '--filter=tunesmith', '--output-logs=errors-only');
run('apps/cli/dist/main.js', 'train', 'quickstart.yaml', ...process.argv.slice(2));
