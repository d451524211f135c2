import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addRuns(program: Command, terminal: Terminal): void {
  program
    .command('runs')
    .description('what runs have recorded')
    .command('explain')
    .description('what a run’s losses say of its learning rate, length and batch, and what to try')
    .argument('<run>', 'folder of the run')
    .option('--json', 'findings with their evidence as JSON')
    .action(async (run: string) => {
      const { explainRun, readRun } = await import('@tunesmith/runtime');
      const { printExplanation } = await import('../print-explanation.js');
      const explanation = explainRun((await readRun(run)).metrics);
      if (terminal.json) terminal.printJson(explanation);
      else printExplanation(explanation, terminal);
    });
}
