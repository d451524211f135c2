import type { Command } from 'commander';
import { addRecipeFlags, type RecipeFlags, rateRange } from '../flags.js';
import type { Terminal } from '../terminal.js';

interface TrainFlags extends RecipeFlags {
  readonly findLearningRate?: true | { readonly from: number; readonly to: number };
}

export function addTrain(program: Command, terminal: Terminal): void {
  addRecipeFlags(program.command('train').description('train a recipe in a new run folder'))
    .option(
      '--find-learning-rate [from:to]',
      'save nothing, but try learning rates that rise from 1e-7 to 1e-3, or as given, and suggest one (--steps 100)',
      rateRange,
    )
    .option('--json', 'events as JSON lines, the result last')
    .action(async (file: string | undefined, flags: TrainFlags) => {
      const { createRun, loadRecipe, resolveRecipe } = await import('@tunesmith/runtime');
      const { createEngine, pluginRoots } = await import('../engine.js');
      const { recipeFrom } = await import('../recipe-from-flags.js');
      const { recipe, methods, objectives } = await loadRecipe(await recipeFrom(file, flags), pluginRoots());
      const engine = createEngine({ methods, objectives });
      if (flags.findLearningRate !== undefined) {
        const { findRate } = await import('../find-rate.js');
        const range = { ...(flags.findLearningRate === true ? {} : flags.findLearningRate), steps: flags.steps };
        return findRate(recipe, engine, range, terminal);
      }
      const { trainRun } = await import('../train-run.js');
      const resolved = await resolveRecipe(recipe, engine, terminal.status);
      await trainRun(await createRun(resolved), resolved, objectives, terminal);
    });
}
