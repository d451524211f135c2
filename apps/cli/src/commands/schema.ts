import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

/** Methods that come with the command. */
const bundled = ['lora', 'full'];

export function addSchema(program: Command, terminal: Terminal): void {
  program
    .command('schema')
    .description('JSON Schema of recipes, for editors')
    .option('--method <name...>', 'methods whose options belong to it (imports their packages)', bundled)
    .option('--markdown', 'a table of every key instead')
    .option('--json', 'the same; the schema is JSON already')
    .action(async ({ method, markdown }: { readonly method: string[]; readonly markdown?: true }) => {
      const { loadMethods, markdownTable, recipeJsonSchema, recipeReference } = await import('@tunesmith/runtime');
      const { pluginRoots } = await import('../engine.js');
      const factories = await loadMethods(method, { roots: pluginRoots() });
      if (markdown) terminal.print(markdownTable(recipeReference(factories)));
      else terminal.print(JSON.stringify(recipeJsonSchema(factories), null, 2));
    });
}
