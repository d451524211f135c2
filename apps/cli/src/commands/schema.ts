import type { Command } from 'commander';
import { collect } from '../flags.js';
import type { Terminal } from '../terminal.js';

/** Methods that come with the command. */
const bundled = ['lora', 'full'];

export function addSchema(program: Command, terminal: Terminal): void {
  program
    .command('schema')
    .description('JSON Schema of recipes, for editors')
    .option('--method <name>', 'method whose options belong to it (imports its package); repeatable', collect)
    .option('--markdown', 'a table of every key instead')
    .option('--json', 'the same; the schema is JSON already')
    .action(async ({ method = bundled, markdown }: { readonly method?: string[]; readonly markdown?: true }) => {
      const { loadMethods, markdownTable, recipeJsonSchema, recipeReference } = await import('@tunesmith/runtime');
      const { pluginRoots } = await import('../engine.js');
      const factories = await loadMethods(method, { roots: pluginRoots() });
      if (markdown) terminal.print(markdownTable(recipeReference(factories)));
      else terminal.print(JSON.stringify(recipeJsonSchema(factories), null, 2));
    });
}
