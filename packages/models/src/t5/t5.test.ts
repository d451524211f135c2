import { readFile } from 'node:fs/promises';
import { buildModel } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { parseT5Config } from './config.js';
import { bucketOf } from './relative-positions.js';
import { t5 } from './t5.js';

const shape = { vocab_size: 96, d_model: 32, d_kv: 8, d_ff: 48, num_layers: 2, num_decoder_layers: 3, num_heads: 2 };

describe('bucketOf', () => {
  it("is transformers' for every distance, far beyond the largest", async () => {
    const fixture = new URL('../../../../parity/fixtures/t5/buckets.json', import.meta.url);
    const { first, cases } = JSON.parse(await readFile(fixture, 'utf8')) as {
      first: number;
      cases: { buckets: number; maxDistance: number; bothWays: boolean; rows: number[] }[];
    };
    expect(cases).toHaveLength(6);
    for (const { rows, ...options } of cases) {
      expect(rows.map((_, index) => bucketOf(first + index, options))).toEqual(rows);
    }
  });
});

describe("T5's config.json", () => {
  it("takes transformers' defaults for what is not written", () => {
    expect(parseT5Config({ ...shape, d_kv: undefined, num_decoder_layers: null })).toMatchObject({
      headDim: 64,
      decoderLayers: 2,
      buckets: 32,
      maxDistance: 128,
      epsilon: 1e-6,
      feedForward: { activation: 'relu', gated: false },
      tiedHead: true,
      answerStart: 0,
    });
  });
  it('reads the feed-forward layer of T5 1.1 and its head', () => {
    const config = parseT5Config({ ...shape, feed_forward_proj: 'gated-gelu', tie_word_embeddings: false });
    expect(config).toMatchObject({ feedForward: { activation: 'gelu_new', gated: true }, tiedHead: false });
    expect(parseT5Config({ ...shape, tie_word_embeddings: true, scale_decoder_outputs: false }).tiedHead).toBe(false);
  });
  it.each([
    ['is_encoder_decoder', false, 'expected true, got false'],
    ['is_decoder', true, 'expected false, got true'],
    ['feed_forward_proj', 'gated-swish', '"relu" or .*, got "gated-swish"'],
    ['dense_act_fn', 'silu', 'expected "relu", as "feed_forward_proj" says, got "silu"'],
    ['is_gated_act', true, 'expected false, as "feed_forward_proj" says, got true'],
    ['relative_attention_num_buckets', 30, 'expected a multiple of 4, got 30'],
    ['relative_attention_max_distance', 16, 'expected more than half the 32 buckets, got 16'],
    ['quantization_config', { bits: 8 }, 'expected a value of type null'],
  ])('refuses %s %j', (key, value, expected) => {
    expect(() => parseT5Config({ ...shape, [key]: value })).toThrow(new RegExp(`CONFIG_INVALID.*${key}.*${expected}`));
  });
});

describe("T5's sites", () => {
  const model = buildModel({ family: t5, config: parseT5Config(shape) });
  it("have Hugging Face's paths, the decoder's behind the encoder's in depth", () => {
    const last = model.sites.filter(({ depth, kind }) => depth === 4 && kind === 'linear');
    expect(last.map(({ path, role }) => `${path} ${role}`)).toEqual([
      'decoder.block.2.layer.0.SelfAttention.q attention.query',
      'decoder.block.2.layer.0.SelfAttention.k attention.key',
      'decoder.block.2.layer.0.SelfAttention.v attention.value',
      'decoder.block.2.layer.0.SelfAttention.o attention.output',
      'decoder.block.2.layer.1.EncDecAttention.q attention.query',
      'decoder.block.2.layer.1.EncDecAttention.k attention.key',
      'decoder.block.2.layer.1.EncDecAttention.v attention.value',
      'decoder.block.2.layer.1.EncDecAttention.o attention.output',
      'decoder.block.2.layer.2.DenseReluDense.wi mlp.up',
      'decoder.block.2.layer.2.DenseReluDense.wo mlp.down',
    ]);
  });
  it('have one table of relative positions a stack, and say which text attends to which', () => {
    const tables = model.handles.filter(({ path }) => path.includes('relative_attention_bias'));
    expect(tables.map(({ path, shape: size }) => `${path} ${size}`)).toEqual([
      'encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight 32,2',
      'decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight 32,2',
    ]);
    const attention = model.sites.flatMap((site) => (site.kind === 'attention' ? [`${site.from} ${site.over}`] : []));
    expect(new Set(attention)).toEqual(new Set(['source source', 'tokens tokens', 'tokens source']));
  });
});
