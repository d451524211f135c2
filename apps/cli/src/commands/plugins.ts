import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addPlugins(program: Command, terminal: Terminal): void {
  program
    .command('plugins')
    .description('installed packages that offer methods or objectives, from their manifests: nothing of them is run')
    .option('--json', 'the list as JSON')
    .action(async () => {
      const { discoverPlugins } = await import('@tunesmith/runtime');
      const { pluginRoots } = await import('../engine.js');
      const plugins = await discoverPlugins(pluginRoots());
      if (terminal.json) return terminal.printJson(plugins);
      if (plugins.length === 0) terminal.print('No plugin is installed here. Try: npm install @tunesmith/lora');
      for (const { name, version, methods, objectives, path, problem } of plugins) {
        const offers = problem === undefined ? [...methods, ...objectives].join(', ') : terminal.style('red', problem);
        terminal.print(`${terminal.style('bold', name)} ${version}  ${offers}  ${terminal.style('dim', path)}`);
      }
    });
}
