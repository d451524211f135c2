import type { Command } from 'commander';
import type { Terminal } from '../terminal.js';

export function addDoctor(program: Command, terminal: Terminal): void {
  program
    .command('doctor')
    .description('what this machine can train on, and what is missing')
    .option('--json', 'the report as JSON')
    .action(async () => {
      const { examine, printExamination } = await import('../examine.js');
      const examination = await examine(terminal.status);
      terminal.status('');
      if (terminal.json) terminal.printJson(examination);
      else printExamination(examination, terminal);
      if (!examination.devices.some(({ works }) => works)) process.exitCode = 4;
    });
}
