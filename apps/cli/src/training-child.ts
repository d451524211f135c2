import { continueRun, loadRecipe, readRunRecipe, serveTraining } from '@tunesmith/runtime';
import { createEngine } from './engine.js';

await serveTraining(async ({ folder, roots, hub, cacheFolder }, options) => {
  const { recipe, methods, objectives } = await loadRecipe(await readRunRecipe(folder), roots);
  return continueRun(folder, recipe, createEngine({ methods, objectives, hub, cacheFolder }), options);
});
