import { resolve } from 'node:path';
import { TunesmithError } from '@tunesmith/core';
import { mergeIntoCodes, saveModel } from '@tunesmith/runtime';
import type { MergeFlags } from './commands/merge.js';
import { formatLoss } from './format.js';
import { openFromFlags } from './open-from-flags.js';
import type { Terminal } from './terminal.js';

/** What a change is measured on where no text is given: prose, a question, and code. */
const texts = [
  'The river had been rising since the morning, and by noon the lower fields were under water.',
  'Question: Which of the planets has the most moons?\nAnswer:',
  'const sorted = [...words].sort((a, b) => a.length - b.length);',
];

/** Folds adapters into the weights, in full precision unless a quantised base is asked for. */
export async function merge(flags: MergeFlags, terminal: Terminal): Promise<void> {
  const { allowLossy = false, text = texts, quantization = 'none' } = flags;
  if (allowLossy && quantization === 'none') {
    throw new TunesmithError('CONFIG_INVALID', 'merging into the base in full precision loses nothing', {
      where: '--allow-lossy',
      hint: 'To merge into codes, say which: --quantization nf4.',
    });
  }
  // Sums are made in float32, and rounded once, to the checkpoint's own type.
  const model = await openFromFlags({ ...flags, quantization, dtype: 'float32' }, terminal);
  try {
    const output = resolve(flags.output);
    terminal.status('merging …');
    const logitChange = allowLossy ? await mergeIntoCodes(model, output, text) : null;
    if (!allowLossy) await saveModel(model, output, model.objective);
    terminal.status('');
    if (terminal.json) {
      terminal.printJson({ model: output, ...(logitChange && { logitChange }) });
      return;
    }
    terminal.print(`merged model: ${flags.output}`);
    if (logitChange === null) return;
    const { largest, mean, logits } = logitChange;
    terminal.print(
      `by rounding to codes, logits moved by ${formatLoss(mean)} on average and ${formatLoss(largest)} at most; ` +
        `their magnitude is ${formatLoss(logits)}`,
    );
  } finally {
    model.dispose();
  }
}
