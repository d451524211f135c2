import { resolve } from 'node:path';
import { openModelFolder, writeModelFolder } from '@tunesmith/checkpoints';
import { upcycle } from '@tunesmith/models';
import type { UpcycleFlags } from './commands/upcycle.js';
import type { Terminal } from './terminal.js';

/** Writes a mixture of experts made of a dense model's folder, with its tokenizer beside it. */
export async function upcycleFolder({ model, output, ...options }: UpcycleFlags, terminal: Terminal): Promise<void> {
  const folder = await openModelFolder(resolve(model));
  try {
    const { config, tensors } = upcycle(folder.config, folder.tensors, options);
    terminal.status('upcycling …');
    await writeModelFolder(resolve(output), { config: config as typeof folder.config, tensors, copyFrom: folder.path });
    terminal.status('');
    if (terminal.json) terminal.printJson({ model: resolve(output) });
    else terminal.print(`mixture of experts: ${output}`);
  } finally {
    await folder.close();
  }
}
