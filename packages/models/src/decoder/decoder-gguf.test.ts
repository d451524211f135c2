import { memoryTensor, readFloat32, type StoredTensor, type TensorSource } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { decoderGguf } from './decoder-gguf.js';

const layout = decoderGguf({
  ...{ architecture: 'llama', className: 'LlamaForCausalLM', pairedRotary: true },
  biases: { attention_bias: 'attn_q.bias', mlp_bias: 'ffn_up.bias' },
});

const metadata = {
  'llama.embedding_length': 8,
  'llama.feed_forward_length': 16,
  'llama.block_count': 1,
  'llama.context_length': 32,
  'llama.attention.head_count': 2,
  'llama.attention.head_count_kv': 1n,
  'llama.attention.layer_norm_rms_epsilon': Math.fround(1e-5),
};

const tensors = source({
  'token_embd.weight': [10, 8],
  'output.weight': [10, 8],
  'blk.0.attn_q.weight': [8, 1],
  'blk.0.attn_q.bias': [8],
  'blk.0.attn_k.weight': [4, 1],
  'blk.0.attn_v.weight': [4, 1],
  'rope_freqs.weight': [2],
});

/** Tensors whose values are their own places. */
function source(shapes: Record<string, readonly number[]>): TensorSource {
  const each = Object.entries(shapes).map(([name, shape]): [string, StoredTensor] => {
    const values = Float32Array.from({ length: shape.reduce((a, b) => a * b) }, (_, index) => index);
    return [name, memoryTensor(name, shape, values)];
  });
  const byName = new Map(each);
  return { names: () => [...byName.keys()], get: (name) => byName.get(name) };
}

describe('decoderGguf', () => {
  it('says config.json in transformers’ words', () => {
    const { config } = layout.read({ metadata, tensors });
    expect(config).toMatchObject({ vocab_size: 10, num_key_value_heads: 1, head_dim: 4, rms_norm_eps: 1e-5 });
    expect(config).toMatchObject({ attention_bias: true, mlp_bias: false, tie_word_embeddings: false });
    expect(config).not.toHaveProperty('rope_scaling');
    const scaled = { 'llama.rope.scaling.type': 'linear', 'llama.rope.scaling.factor': 4 };
    expect(layout.read({ metadata: { ...metadata, ...scaled }, tensors }).config).toMatchObject({
      rope_scaling: { rope_type: 'linear', factor: 4 },
    });
  });

  it('turns the rows of queries and keys, head by head, and leaves names that it does not know', async () => {
    const { tensors: named } = layout.read({ metadata, tensors });
    const valuesOf = async (name: string): Promise<number[]> => [
      ...(await readFloat32(named.get(`model.layers.0.self_attn.${name}`) as StoredTensor)),
    ];
    expect(await valuesOf('q_proj.weight')).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    expect(await valuesOf('q_proj.bias')).toEqual([0, 2, 1, 3, 4, 6, 5, 7]);
    expect(await valuesOf('k_proj.weight')).toEqual([0, 2, 1, 3]);
    expect(await valuesOf('v_proj.weight')).toEqual([0, 1, 2, 3]);
    expect(named.names()).toContain('rope_freqs.weight');
    expect(named.get('blk.0.attn_q.weight')).toBeUndefined();
  });

  it('names what is missing, and what it does not compute', () => {
    const { 'llama.block_count': _, ...without } = metadata;
    expect(() => layout.read({ metadata: without, tensors })).toThrow(
      /FILE_INVALID at llama\.block_count: .*expected a number, got nothing/,
    );
    expect(() => layout.read({ metadata: { ...metadata, 'llama.expert_count': 8 }, tensors })).toThrow(
      /CONFIG_INVALID at llama\.expert_count/,
    );
  });
});
