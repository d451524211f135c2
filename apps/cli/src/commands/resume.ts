import { resolve } from 'node:path';
import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addResume(program: Command, terminal: Terminal): void {
  program
    .command('resume')
    .description('go on with a run from its last checkpoint, to the same result')
    .argument('<run>', 'folder of the run')
    .option('--json', 'events as JSON lines, the result last')
    .action(async (run: string) => {
      const { loadRecipe, readRunRecipe } = await import('@tunesmith/runtime');
      const { pluginRoots } = await import('../engine.js');
      const { trainRun } = await import('../train-run.js');
      const folder = resolve(run);
      const { recipe, objectives } = await loadRecipe(await readRunRecipe(folder), pluginRoots());
      await trainRun(folder, recipe, objectives, terminal);
    });
}
