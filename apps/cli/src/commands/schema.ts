import type { Command } from 'commander';
import { collect } from '../flags.js';
import type { Terminal } from '../terminal.js';

/** Methods that come with the command. */
const bundled = ['lora', 'full'];

interface SchemaFlags {
  readonly method?: string[];
  readonly objective?: string[];
  readonly markdown?: true;
}

export function addSchema(program: Command, terminal: Terminal): void {
  program
    .command('schema')
    .description('JSON Schema of recipes, for editors')
    .option('--method <name>', 'method whose options belong to it (imports its package); repeatable', collect)
    .option('--objective <name>', 'the same of an objective; repeatable', collect)
    .option('--markdown', 'a table of every key instead')
    .option('--json', 'the same; the schema is JSON already')
    .action(async ({ method = bundled, objective = [], markdown }: SchemaFlags) => {
      const runtime = await import('@tunesmith/runtime');
      const { loadMethods, loadObjectives, markdownTable, recipeJsonSchema, recipeReference } = runtime;
      const { pluginRoots } = await import('../engine.js');
      const factories = await loadMethods(method, { roots: pluginRoots() });
      const objectives = await loadObjectives(objective, { roots: pluginRoots() });
      if (markdown) terminal.print(markdownTable(recipeReference(factories)));
      else terminal.print(JSON.stringify(recipeJsonSchema(factories, objectives), null, 2));
    });
}
