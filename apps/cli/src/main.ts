#!/usr/bin/env node
import { exitCodeOf } from './exit-code.js';
import { createProgram } from './program.js';
import { createTerminal, reportError } from './terminal.js';

const terminal = createTerminal({ json: process.argv.includes('--json') });
try {
  await createProgram(terminal).parseAsync();
} catch (error) {
  reportError(terminal, error);
  process.exitCode = exitCodeOf(error);
}
