import type { Command } from 'commander';
import { addRecipeFlags, type RecipeFlags } from '../flags.js';
import type { Terminal } from '../terminal.js';

export function addTrain(program: Command, terminal: Terminal): void {
  addRecipeFlags(program.command('train').description('train a recipe in a new run folder'))
    .option('--json', 'events as JSON lines, the result last')
    .action(async (file: string | undefined, flags: RecipeFlags) => {
      const { createRun, loadRecipe, resolveRecipe } = await import('@tunesmith/runtime');
      const { createEngine, pluginRoots } = await import('../engine.js');
      const { recipeFrom } = await import('../recipe-from-flags.js');
      const { trainRun } = await import('../train-run.js');
      const { recipe, methods, objectives } = await loadRecipe(await recipeFrom(file, flags), pluginRoots());
      const resolved = await resolveRecipe(recipe, createEngine({ methods, objectives }), terminal.status);
      await trainRun(await createRun(resolved), resolved, objectives, terminal);
    });
}
