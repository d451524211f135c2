import { buildModel } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { inverseFrequencies } from './decoder/rotary-scaling.js';
import { families, familyFor } from './families.js';
import { parseGpt2Config } from './gpt2/config.js';
import { gpt2 } from './gpt2/gpt2.js';
import { parseLlamaConfig } from './llama/config.js';
import { llama } from './llama/llama.js';
import { parseMistralConfig } from './mistral/config.js';
import { parseQwen2Config } from './qwen2/config.js';
import { parseQwen3Config } from './qwen3/config.js';
import { qwen3 } from './qwen3/qwen3.js';

const shape = {
  vocab_size: 96,
  hidden_size: 64,
  intermediate_size: 112,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 64,
};
const t5Shape = { d_model: 64, num_layers: 2, num_heads: 4 };
const distilbertShape = { dim: 64, n_layers: 2, n_heads: 4, hidden_dim: 112 };
const gpt2Shape = { vocab_size: 96, n_positions: 64, n_embd: 64, n_layer: 2, n_head: 4 };
const llama3 = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

describe('familyFor', () => {
  it('finds each family by model_type', () => {
    for (const family of families) expect(familyFor({ model_type: family.modelTypes[0] })).toBe(family);
  });
  it('names the nearest types', () => {
    expect(() => familyFor({ model_type: 'qwen' })).toThrow(
      /CONFIG_INVALID.*got "qwen"\. Did you mean qwen2 or qwen3\?/,
    );
    expect(() => familyFor({})).toThrow('got nothing');
  });
});

describe('config.json', () => {
  it('reads rotary parameters as transformers 5 writes them and as those before did', () => {
    const now = parseLlamaConfig({ ...shape, rope_parameters: { ...llama3, rope_theta: 4000 } });
    const before = parseLlamaConfig({ ...shape, rope_scaling: llama3, rope_theta: 4000 });
    const { rope_type: type, ...unnamed } = llama3;
    const long = parseLlamaConfig({ ...shape, rope_scaling: { type, ...unnamed }, rope_theta: 4000 });
    expect(now).toEqual(before);
    expect(now).toEqual(long);
    expect(now.rotary).toEqual({
      theta: 4000,
      scaling: { type: 'llama3', factor: 8, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalLength: 32 },
    });
    expect(parseLlamaConfig({ ...shape, rope_scaling: null, rope_theta: 500 }).rotary).toEqual({
      theta: 500,
      scaling: { type: 'default' },
    });
  });
  it("takes transformers' defaults for what is not written", () => {
    const { num_key_value_heads: _, ...plain } = shape;
    expect(parseLlamaConfig(plain)).toMatchObject({
      keyHeads: 4,
      headDim: 16,
      epsilon: 1e-6,
      tiedEmbeddings: false,
      rotary: { theta: 10_000 },
    });
    expect(parseMistralConfig(shape).windows).toEqual([4096, 4096]);
    expect(parseMistralConfig({ ...shape, sliding_window: null }).windows).toEqual([null, null]);
    expect(parseQwen3Config(shape).headDim).toBe(128);
    expect(parseGpt2Config(gpt2Shape)).toMatchObject({ innerSize: 256, epsilon: 1e-5, tiedEmbeddings: true });
  });
  it('reads which layers see a window, in both spellings', () => {
    const window = { use_sliding_window: true, sliding_window: 7 };
    expect(parseQwen2Config({ ...shape, ...window, max_window_layers: 1 }).windows).toEqual([null, 7]);
    const types = ['sliding_attention', 'full_attention'];
    expect(parseQwen2Config({ ...shape, ...window, layer_types: types }).windows).toEqual([7, null]);
    expect(parseQwen2Config({ ...shape, sliding_window: 7, max_window_layers: 0 }).windows).toEqual([null, null]);
  });
  it('gives biases to the layers that have them', () => {
    const bias = (config: object): string[] => {
      const parsed = llama.parseConfig({ ...shape, ...config });
      const { handles } = buildModel({ family: llama, config: parsed });
      return handles
        .filter(({ path }) => path.startsWith('model.layers.0.') && path.endsWith('.bias'))
        .map(({ path }) => path);
    };
    expect(bias({})).toEqual([]);
    expect(bias({ attention_bias: true })).toEqual(
      ['q', 'k', 'v', 'o'].map((name) => `model.layers.0.self_attn.${name}_proj.bias`),
    );
    expect(bias({ mlp_bias: true })).toEqual(
      ['gate', 'up', 'down'].map((name) => `model.layers.0.mlp.${name}_proj.bias`),
    );
  });

  const llamaRefusals: [key: string, value: unknown, expected: string][] = [
    ['hidden_act', 'gelu', 'expected "silu", got "gelu"'],
    ['attention_dropout', 0.1, 'expected 0, got 0.1'],
    ['rope_scaling', { rope_type: 'yarn', factor: 4 }, '"default" or "linear" or "llama3", got "yarn"'],
    ['rope_parameters', { ...llama3, partial_rotary_factor: 0.5 }, '.partial_rotary_factor" .*expected 1, got 0.5'],
    ['rope_parameters', { full_attention: { rope_type: 'default' } }, 'expected no such key'],
    ['partial_rotary_factor', 0.5, 'expected 1, got 0.5'],
    ['quantization_config', { bits: 4 }, 'expected a value of type null, got {"bits":4}'],
    ['num_key_value_heads', 3, 'expected a divisor of the 4 attention heads, got 3'],
    ['head_dim', 15, 'expected an even number, for rotary pairs, got 15'],
    ['hidden_size', 60, 'expected an even multiple of the 4 attention heads, got 60'],
    ['vocab_size', 0, 'expected more than 0, got 0'],
    ['vocab_size', undefined, 'expected a value of type number, got nothing'],
    ['is_encoder_decoder', true, 'expected false, got true'],
  ];
  it.each(llamaRefusals)('llama refuses %s %j', (key, value, expected) => {
    expect(() => parseLlamaConfig({ ...shape, [key]: value })).toThrow(
      new RegExp(`CONFIG_INVALID at config.json.*${key}.*${expected}`),
    );
  });
  it.each([
    ['use_sliding_window', { layer_types: ['sliding_attention', 'full_attention'] }],
    ['layer_types', { layer_types: ['full_attention'] }],
    ['layer_types.0', { layer_types: ['chunked_attention', 'full_attention'] }],
  ])('qwen2 refuses %s in %j', (key, changes) => {
    expect(() => parseQwen2Config({ ...shape, ...changes })).toThrow(`"${key}" is not what this forward pass computes`);
  });
  it.each([
    ['activation_function', 'swish'],
    ['scale_attn_weights', false],
    ['scale_attn_by_inverse_layer_idx', true],
    ['add_cross_attention', true],
    ['n_embd', 66],
  ])('gpt2 refuses %s %j', (key, value) => {
    expect(() => parseGpt2Config({ ...gpt2Shape, [key]: value })).toThrow(
      `"${key}" is not what this forward pass computes`,
    );
  });
  it('says everything that is wrong at once', () => {
    expect(() => parseLlamaConfig({ ...shape, hidden_act: 'gelu', mlp_bias: 'yes' })).toThrow(
      /"hidden_act": expected "silu", got "gelu"; "mlp_bias": expected a value of type boolean, got "yes"|"mlp_bias".*"hidden_act"/,
    );
  });
  it('passes over keys that are no part of the forward pass', () => {
    expect(
      parseLlamaConfig({ ...shape, use_cache: false, transformers_version: '5.0', torch_dtype: 'float16' }),
    ).toEqual(parseLlamaConfig(shape));
    expect(parseGpt2Config({ ...gpt2Shape, resid_pdrop: 0.1, summary_type: 'cls_index' })).toEqual(
      parseGpt2Config(gpt2Shape),
    );
  });
});

describe('inverseFrequencies', () => {
  it('is θ^(−2i/d), divided by a linear factor', () => {
    expect([...inverseFrequencies({ theta: 100, scaling: { type: 'default' } }, 4)]).toEqual([1, Math.fround(0.1)]);
    expect([...inverseFrequencies({ theta: 100, scaling: { type: 'linear', factor: 4 } }, 4)]).toEqual([
      0.25,
      Math.fround(0.025),
    ]);
  });
});

describe('sites', () => {
  it("have Hugging Face's paths and say what they do", () => {
    const { sites } = buildModel({ family: qwen3, config: qwen3.parseConfig(shape) });
    const linear = sites
      .filter((site) => site.kind === 'linear')
      .map(({ path, role, depth }) => `${path} ${role} ${depth}`);
    expect(linear.filter((line) => !line.startsWith('model.layers.0'))).toEqual([
      'model.layers.1.self_attn.q_proj attention.query 1',
      'model.layers.1.self_attn.k_proj attention.key 1',
      'model.layers.1.self_attn.v_proj attention.value 1',
      'model.layers.1.self_attn.o_proj attention.output 1',
      'model.layers.1.mlp.gate_proj mlp.gate 1',
      'model.layers.1.mlp.up_proj mlp.up 1',
      'model.layers.1.mlp.down_proj mlp.down 1',
      'lm_head head null',
    ]);
    const kinds = sites.filter(({ path }) => path === 'model.layers.0.self_attn').map(({ kind }) => kind);
    expect(kinds.sort()).toEqual(['attention', 'residual', 'sublayer']);
  });
  it("name the parts of GPT-2's fused projection", () => {
    const { sites } = buildModel({ family: gpt2, config: gpt2.parseConfig(gpt2Shape) });
    const fused = sites.find(({ path }) => path === 'transformer.h.0.attn.c_attn');
    expect(fused).toMatchObject({
      role: 'attention.qkv',
      slices: [
        { role: 'attention.query', start: 0, size: 64 },
        { role: 'attention.key', start: 64, size: 64 },
        { role: 'attention.value', start: 128, size: 64 },
      ],
    });
  });
  it.each(families)('match the default targets of $name', (family) => {
    const config = family.parseConfig({ ...shape, ...gpt2Shape, ...distilbertShape, ...t5Shape });
    const paths = buildModel({ family, config }).sites.map(({ path }) => path);
    for (const [method, targets] of Object.entries(family.defaultTargets)) {
      for (const target of targets) {
        expect(
          paths.some((path) => path.endsWith(`.${target}`)),
          `${method} ${target}`,
        ).toBe(true);
      }
    }
  });
});

describe('GPT-2 checkpoints', () => {
  it('are known by the names of the bare model, and their stored masks passed over', () => {
    expect(gpt2.weightAliases?.('transformer.h.0.ln_1.weight')).toEqual(['h.0.ln_1.weight']);
    const ignored = ['h.0.attn.bias', 'transformer.h.11.attn.masked_bias', 'h.0.attn.c_attn.bias', 'h.0.mlp.c_fc.bias'];
    expect(ignored.map((name) => gpt2.ignoredTensors?.test(name))).toEqual([true, true, false, false]);
  });
});
