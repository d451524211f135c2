import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type JsonObject, writeModelFolder } from '@tunesmith/checkpoints';
import {
  buildModel,
  constant,
  type Family,
  type InitContext,
  memoryTensor,
  normal,
  randomKey,
  type Task,
} from '@tunesmith/core';
import { llama } from '@tunesmith/models';

/** Forty sentences of one kind: a prompt that names a country, and its capital as the completion. */
export const capitals = fileURLToPath(new URL('./capitals.jsonl', import.meta.url));

/** A new folder for what an example writes. */
export function workFolder(): Promise<string> {
  return mkdtemp(join(tmpdir(), 'tunesmith-example-'));
}

const endOfText = '<|endoftext|>';
const tokens = [endOfText, '\n', ...Array.from({ length: 94 }, (_, index) => String.fromCharCode(32 + index))];

const plain = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  vocab_size: tokens.length,
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 128,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: 'silu',
  tie_word_embeddings: false,
};

/**
 * Writes a two-layer Llama with random weights and a token per ASCII character: large enough to show that training works.
 * `changes` are to its config.json.
 */
export async function smallModel(folder: string, changes: Record<string, unknown> = {}): Promise<string> {
  const files = { tokenizer: tokenizerJson(), names: { eos_token: endOfText } };
  return writeRandomModel(join(folder, 'model'), {
    family: llama,
    config: { ...plain, ...changes },
    ...files,
    seed: 7,
  });
}

export interface RandomModel {
  readonly family: Family;
  readonly config: JsonObject;
  /** The task whose head it has; the family's first if not said. */
  readonly task?: Task;
  /** tokenizer.json and tokenizer_config.json. */
  readonly tokenizer: object;
  readonly names: object;
  readonly seed: number;
}

/** Writes a folder of a model with random weights. */
export async function writeRandomModel(
  folder: string,
  { family, config, task, tokenizer, names, seed }: RandomModel,
): Promise<string> {
  const copyFrom = `${folder}-tokenizer`;
  await mkdir(copyFrom);
  await writeFile(join(copyFrom, 'tokenizer.json'), JSON.stringify(tokenizer));
  await writeFile(join(copyFrom, 'tokenizer_config.json'), JSON.stringify(names));
  const { handles } = buildModel({ family, config: family.parseConfig(config), ...(task && { task }) });
  const tensors = handles.map(({ path, shape }) => {
    const context = { shape, key: randomKey(seed, path) } as InitContext;
    const initial = shape.length > 1 ? normal(0.1) : constant(path.endsWith('.bias') ? 0 : 1);
    return memoryTensor(path, shape, initial(context) as Float32Array);
  });
  await writeModelFolder(folder, { config, tensors, copyFrom });
  return folder;
}

function tokenizerJson(): object {
  const special = { id: 0, content: endOfText, special: true, single_word: false, lstrip: false, rstrip: false };
  return {
    version: '1.0',
    added_tokens: [{ ...special, normalized: false }],
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: { type: 'Fuse' },
    model: {
      type: 'BPE',
      unk_token: null,
      byte_fallback: false,
      fuse_unk: false,
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: [],
    },
  };
}
