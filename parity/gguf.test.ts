/**
 * GGUF files as gguf-py and transformers read them: equal values of every type, equal logits, equal token ids.
 * How they were recorded: README.md beside this file.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openGguf } from '@tunesmith/checkpoints';
import { fromFloat32, readFloat32, type StoredTensor } from '@tunesmith/core';
import { loadChatTemplate, loadTokenizer } from '@tunesmith/data';
import { families } from '@tunesmith/models';
import { loadModel, openBase } from '@tunesmith/runtime';
import { describe, expect, it } from 'vitest';
import { fixtures, readFixture, relativeError } from './fixture-values.js';
import { logitsOf } from './logits.js';

interface Encoded {
  readonly text: string;
  readonly ids: number[];
}

interface Recorded {
  readonly tensors: Record<string, [type: string, sha256: string]>;
  readonly config: Record<string, number | boolean>;
  readonly texts: Encoded[];
  readonly numbers?: Encoded;
}

const topic = join(fixtures, 'gguf');
const { files } = JSON.parse(readFileSync(join(topic, 'meta.json'), 'utf8')) as { files: Record<string, Recorded> };

describe.each(Object.entries(files))('%s', (name, recorded) => {
  const path = join(topic, `${name}.gguf`);

  it('has the values that gguf-py reads, bit by bit', async () => {
    const { tensors, close } = await openGguf(path);
    expect(tensors.names().sort()).toEqual(Object.keys(recorded.tensors).sort());
    for (const [tensor, [type, sha256]] of Object.entries(recorded.tensors)) {
      const values = await readFloat32(tensors.get(tensor) as StoredTensor);
      const hash = createHash('sha256').update(fromFloat32('F32', values)).digest('hex');
      expect(hash, `${tensor}, ${type}`).toBe(sha256);
    }
    await close();
  });

  it('gives the logits of transformers', async () => {
    const loaded = await loadModel({ path, families, backend: createOnnxBackend(), dtype: 'float32' });
    expect(loaded.config).toMatchObject({ ...recorded.config, rms_norm_eps: 1e-5, rope_theta: 20_000 });
    const expected = await readFixture(join(topic, `${name}.safetensors`));
    const { data } = await logitsOf(loaded, expected.get('input_ids') as Float32Array, [2, 16]);
    expect(relativeError(data, expected.get('logits') as Float32Array)).toBeLessThan(1e-5);
    loaded.dispose();
  });

  it('gives the token ids of transformers', async () => {
    const base = await openBase(path, families);
    const tokenizer = await loadTokenizer(await base.readTokenizer());
    await base.close();
    for (const { text, ids } of recorded.texts) expect(tokenizer.encode(text), text).toEqual(ids);
  });
});

it('cuts numbers as the model’s own tokenizer does, and renders its chat template', async () => {
  const base = await openBase(join(topic, 'llama.gguf'), families);
  const tokenizer = await loadTokenizer(await base.readTokenizer());
  await base.close();
  const { text, ids } = (files.llama as Recorded).numbers as Encoded;
  expect(tokenizer.encode(text)).toEqual(ids);
  expect(tokenizer.decode(ids)).toBe(text);
  expect(tokenizer).toMatchObject({ bosId: 1, eosId: 2, padId: 0, endIds: [2], prefixIds: [] });
  const written = loadChatTemplate(tokenizer)?.render([{ role: 'user', content: 'the cat' }]);
  expect(written).toBe('<|im_start|>user\nthe cat<|im_end|>\n');
});
