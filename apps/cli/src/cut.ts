import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { cutLayers } from '@tunesmith/runtime';
import type { CutFlags } from './commands/cut.js';
import { createEngine } from './engine.js';
import type { Terminal } from './terminal.js';

/** Writes a model of some layers of another's folder, with its tokenizer beside it. */
export async function cutFolder({ model, layers, output }: CutFlags, terminal: Terminal): Promise<void> {
  const folder = resolve(output);
  if (existsSync(folder)) {
    throw new TunesmithError('FILE_INVALID', 'there is something already', {
      ...{ where: output, hint: 'Name another output.' },
    });
  }
  terminal.status('cutting …');
  const cut = await cutLayers(resolve(model), folder, layers, createEngine().families);
  terminal.status('');
  if (terminal.json) terminal.printJson({ model: folder, ...cut });
  else terminal.print(`layers ${cut.layers.join(', ')} of ${cut.of}: ${output}`);
}
