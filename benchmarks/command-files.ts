import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { writeModelFolder } from '@tunesmith/checkpoints';
import { buildModel, elementCount, memoryTensor, type StoredTensor } from '@tunesmith/core';
import { llama } from '@tunesmith/models';
import { shapes } from './step-options.js';

const tokenizerFolder = fileURLToPath(new URL('../packages/zoo/model', import.meta.url));

/** Writes a model folder of a shape, with random weights and the bundled model's tokenizer. */
export async function writeRandomModel(folder: string, shape: keyof typeof shapes): Promise<void> {
  const config = { ...shapes[shape], bos_token_id: 1, eos_token_id: 2, pad_token_id: 0, torch_dtype: 'float32' };
  const model = buildModel({ family: llama, config: llama.parseConfig(config), methods: [] });
  let state = 1;
  async function* tensors(): AsyncGenerator<StoredTensor> {
    for (const { path, shape: size } of model.handles) {
      const values = new Float32Array(elementCount(size));
      // A cheap generator: the values only have to be of a usual size.
      for (let index = 0; index < values.length; index++) {
        state = (Math.imul(state, 1664525) + 1013904223) | 0;
        values[index] = size.length === 1 ? 1 : (state / 2 ** 31) * 0.03;
      }
      yield memoryTensor(path, size, values);
    }
  }
  await writeModelFolder(folder, { config, tensors: tensors(), copyFrom: tokenizerFolder });
}

/** Writes prompts with answers of lengths spread evenly from `shortest` to `longest` tokens. */
export async function writeRows(file: string, rows: number, shortest: number, longest: number): Promise<void> {
  const lines = Array.from({ length: rows }, (_, index) => {
    // Each digit is a token of its own, and so is each line's end.
    const length = Math.round(shortest + ((longest - shortest) * ((index * 7) % rows)) / Math.max(1, rows - 1));
    const digits = Array.from({ length: Math.max(2, length) }, (_, place) => (index * 31 + place * 17) % 10).join('');
    const half = digits.length >> 1;
    return `${JSON.stringify({ prompt: digits.slice(0, half), completion: digits.slice(half) })}\n`;
  });
  await writeFile(file, lines.join(''));
}
