import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeModelFolder } from '@tunesmith/checkpoints';
import { buildModel, elementCount, memoryTensor, randomKey, randomNormal } from '@tunesmith/core';
import { bert } from '@tunesmith/models';

/** Its tokenizer, but for the words. */
const bertTexts = fileURLToPath(new URL('../parity/fixtures/texts/bert/', import.meta.url));
const specials = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]'];

/** Writes the folder of a BERT of two layers with untrained weights, N(0, 0.1²), to which every word is one token. */
export async function writeSmallEncoder(folder: string, words: readonly string[], seed: number): Promise<void> {
  const vocabulary = [...specials, ...new Set(words)];
  const tokenizer = JSON.parse(readFileSync(join(bertTexts, 'tokenizer.json'), 'utf8'));
  tokenizer.model.vocab = Object.fromEntries(vocabulary.map((word, id) => [word, id]));
  const config = {
    ...{ architectures: ['BertForMaskedLM'], model_type: 'bert', hidden_act: 'gelu', layer_norm_eps: 1e-12 },
    ...{ vocab_size: vocabulary.length, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 2 },
    ...{ num_attention_heads: 4, max_position_embeddings: 32, type_vocab_size: 2, pad_token_id: 0 },
  };
  const model = buildModel({ family: bert, config: bert.parseConfig(config) });
  const tensors = model.handles.map(({ path, shape }) => {
    const key = randomKey(seed, 'small-encoder', path);
    const isNorm = /LayerNorm\.weight$/.test(path);
    const values = Float32Array.from({ length: elementCount(shape) }, (_, index) => {
      if (shape.length === 1) return isNorm ? 1 : 0;
      return 0.1 * randomNormal(key, index);
    });
    return memoryTensor(path, shape, values, 'F32');
  });
  mkdirSync(folder, { recursive: true });
  await writeModelFolder(folder, { config, tensors, copyFrom: bertTexts });
  writeFileSync(join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
}
