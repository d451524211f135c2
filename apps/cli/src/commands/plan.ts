import type { Command } from 'commander';
import { addRecipeFlags, type RecipeFlags } from '../flags.js';
import type { Terminal } from '../terminal.js';

export function addPlan(program: Command, terminal: Terminal): void {
  addRecipeFlags(program.command('plan').description('what a recipe would train and take: sites, share, memory, time'))
    .option('--json', 'the plan as JSON')
    .action(async (file: string | undefined, flags: RecipeFlags) => {
      const { loadRecipe, planRecipe, resolveRecipe } = await import('@tunesmith/runtime');
      const { createEngine, pluginRoots } = await import('../engine.js');
      const { recipeFrom } = await import('../recipe-from-flags.js');
      const { printPlan } = await import('../print-plan.js');
      const { recipe, methods, objectives } = await loadRecipe(await recipeFrom(file, flags), pluginRoots());
      const engine = createEngine({ methods, objectives });
      const plan = await planRecipe(await resolveRecipe(recipe, engine, terminal.status), engine);
      terminal.status('');
      if (terminal.json) terminal.printJson(plan);
      else printPlan(plan, terminal);
    });
}
