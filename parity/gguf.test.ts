/**
 * GGUF files as gguf-py and transformers read them: equal values of every type, equal logits, equal token ids.
 * How they were recorded: README.md beside this file.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createOnnxBackend } from '@tunesmith/backend-onnx';
import { openGguf } from '@tunesmith/checkpoints';
import { fromFloat32, type Handle, readFloat32, type StoredTensor, sft } from '@tunesmith/core';
import { loadChatTemplate, loadTokenizer } from '@tunesmith/data';
import { lora } from '@tunesmith/lora';
import { families } from '@tunesmith/models';
import { loadModel, openBase } from '@tunesmith/runtime';
import { rowSource, tinyRows, trainTiny } from '@tunesmith/testing';
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

/** A model of every type of block, over which an adapter is to train. */
const openEvery = (quantization?: 'none') =>
  loadModel({
    ...{ path: join(topic, 'llama.gguf'), families, backend: createOnnxBackend(), dtype: 'float32', quantization },
    methods: [lora({ rank: 2, targetModules: 'all-linear' })],
  });

describe('blocks that a codec computes with', () => {
  it('stay the codes that they are, in rows where transformers has them, and take no more', async () => {
    const [kept, decoded] = [await openEvery(), await openEvery('none')];
    const codecs: Record<string, string> = {};
    for (const handle of kept.model.handles.filter(({ owner }) => owner === 'base')) {
      const encoding = kept.parameters.encodingOf(handle);
      const other = decoded.model.handles.find(({ path }) => path === handle.path) as Handle;
      const [values, expected] = [await kept.parameters.read(handle), await decoded.parameters.read(other)];
      expect(Buffer.compare(fromFloat32('F32', values), fromFloat32('F32', expected)), handle.path).toBe(0);
      if (encoding === undefined) continue;
      const { name } = encoding.codec;
      codecs[handle.path.split('.').at(-2) as string] = name;
      const held = Object.values(await kept.parameters.readParts(handle)).reduce(
        (sum, { data }) => sum + data.byteLength,
        0,
      );
      expect((8 * held) / values.length).toBe({ q8_0: 8.5, q4_0: 4.5, q4_1: 5 }[name]);
    }
    // The file's token_embd is in Q4_0 too, and v_proj in float32, gate_proj in Q4_K, up_proj in Q6_K.
    expect(codecs).toEqual({ q_proj: 'q4_0', k_proj: 'q4_1', o_proj: 'q8_0' });
    kept.dispose();
    decoded.dispose();
  });

  it('give the logits of their values, and an adapter trains alike over both', async () => {
    const [kept, decoded] = [await openEvery(), await openEvery('none')];
    const ids = Int32Array.from({ length: 32 }, (_, index) => (index * 37) % 300);
    const [ours, theirs] = [await logitsOf(kept, ids, [2, 16]), await logitsOf(decoded, ids, [2, 16])];
    expect(relativeError(ours.data, theirs.data)).toBeLessThan(1e-5);
    const rows = rowSource(tinyRows(kept.model, 4));
    const [losses, expected] = [
      await trainTiny({ ...kept, objective: sft }, { steps: 6, rows }),
      await trainTiny({ ...decoded, objective: sft }, { steps: 6, rows }),
    ];
    expect(losses.at(-1)).toBeLessThan(0.98 * (losses[0] as number));
    expect(relativeError(losses, expected)).toBeLessThan(1e-5);
    kept.dispose();
    decoded.dispose();
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
