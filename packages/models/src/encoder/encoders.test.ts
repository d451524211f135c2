import { buildModel, type Task } from '@tunesmith/core';
import { describe, expect, it } from 'vitest';
import { bert } from '../bert/bert.js';
import { distilbert } from '../distilbert/distilbert.js';
import { electra } from '../electra/electra.js';
import { roberta } from '../roberta/roberta.js';

const shape = {
  vocab_size: 96,
  hidden_size: 64,
  intermediate_size: 112,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  max_position_embeddings: 64,
};
const distilbertShape = {
  ...{ vocab_size: 96, dim: 64, n_layers: 2, n_heads: 4, hidden_dim: 112, max_position_embeddings: 64 },
};

describe('config.json of encoders', () => {
  it("takes transformers' defaults for what is not written", () => {
    const expected = { epsilon: 1e-12, activation: 'gelu', tiedEmbeddings: true, tokenTypes: 2, padToken: 0 };
    expect(bert.parseConfig(shape)).toMatchObject({ ...expected, embeddingSize: 64 });
    expect(roberta.parseConfig(shape)).toMatchObject({ ...expected, padToken: 1 });
    expect(electra.parseConfig(shape)).toMatchObject({ ...expected, embeddingSize: 128 });
    expect(distilbert.parseConfig(distilbertShape)).toMatchObject({ ...expected, tokenTypes: 0, innerSize: 112 });
  });
  it.each([
    ['hidden_act', 'swish'],
    ['position_embedding_type', 'relative_key'],
    ['is_decoder', true],
    ['hidden_size', 66],
    ['quantization_config', { bits: 4 }],
  ])('bert, roberta and electra refuse %s %j', (key, value) => {
    for (const family of [bert, roberta, electra]) {
      expect(() => family.parseConfig({ ...shape, [key]: value })).toThrow(
        `"${key}" is not what this forward pass computes`,
      );
    }
  });
  it.each([
    ['activation', 'swish'],
    ['dim', 66],
    ['is_decoder', true],
  ])('distilbert refuses %s %j', (key, value) => {
    expect(() => distilbert.parseConfig({ ...distilbertShape, [key]: value })).toThrow(
      `"${key}" is not what this forward pass computes`,
    );
  });
  it('leaves the positions up to the padding token to nobody where they are counted from it', () => {
    const positions = (family: typeof bert): number => family.describe(family.parseConfig(shape)).maxPositions;
    expect([bert, electra, roberta].map(positions)).toEqual([64, 64, 62]);
  });
});

describe('heads of encoders', () => {
  const heads = (family: typeof bert, task: Task): string[] => {
    const labels = task === 'sequence-classification' ? { labels: 3 } : {};
    const config = family.parseConfig({ ...shape, ...distilbertShape, embedding_size: 48 });
    return buildModel({ family, config, task, ...labels })
      .handles.filter(({ init }) => init !== undefined)
      .map(({ path, shape: size }) => `${path} ${size.join('×')}`);
  };
  it.each([
    [bert, 'masked-lm', ['cls.predictions.transform.dense', 'cls.predictions.transform.LayerNorm'], 'cls.predictions'],
    [roberta, 'masked-lm', ['lm_head.dense', 'lm_head.layer_norm'], 'lm_head'],
    [distilbert, 'masked-lm', ['vocab_transform', 'vocab_layer_norm'], 'vocab_projector'],
  ] as const)("are those of transformers' classes: $0.name, %s", (family, task, [dense, norm], output) => {
    const inside = [`${dense}.weight 64×64`, `${dense}.bias 64`, `${norm}.weight 64`, `${norm}.bias 64`];
    expect(heads(family, task)).toEqual([...inside, `${output}.bias 96`]);
  });
  it('go through the width of the embeddings where it is another', () => {
    expect(heads(electra, 'masked-lm')).toEqual([
      'generator_predictions.dense.weight 48×64',
      'generator_predictions.dense.bias 48',
      'generator_predictions.LayerNorm.weight 48',
      'generator_predictions.LayerNorm.bias 48',
      'generator_lm_head.bias 96',
    ]);
  });
  it.each([
    [bert, 'bert.pooler.dense', 'classifier'],
    [roberta, 'classifier.dense', 'classifier.out_proj'],
    [distilbert, 'pre_classifier', 'classifier'],
    [electra, 'classifier.dense', 'classifier.out_proj'],
  ] as const)('classify by a dense layer and another: $0.name', (family, dense, output) => {
    expect(heads(family, 'sequence-classification')).toEqual([
      `${dense}.weight 64×64`,
      `${dense}.bias 64`,
      `${output}.weight 3×64`,
      `${output}.bias 3`,
    ]);
  });
  it('are none where states are embeddings', () => {
    for (const family of [bert, roberta, distilbert, electra]) expect(heads(family, 'embedding')).toEqual([]);
  });
});

describe('checkpoints of encoders', () => {
  it('are known by the names of the bare model, and by the older names of norms', () => {
    expect(bert.weightAliases?.('bert.embeddings.LayerNorm.weight')).toEqual([
      'embeddings.LayerNorm.weight',
      'bert.embeddings.LayerNorm.gamma',
      'embeddings.LayerNorm.gamma',
    ]);
    expect(roberta.weightAliases?.('lm_head.bias')).toEqual(['lm_head.decoder.bias']);
    expect(distilbert.weightAliases?.('distilbert.transformer.layer.0.ffn.lin1.bias')).toEqual([
      'transformer.layer.0.ffn.lin1.bias',
    ]);
  });
  it.each([
    [bert, ['bert.pooler.dense.weight', 'cls.seq_relationship.bias', 'embeddings.position_ids']],
    [roberta, ['roberta.pooler.dense.bias', 'lm_head.layer_norm.weight', 'classifier.out_proj.bias']],
    [distilbert, ['vocab_layer_norm.bias', 'pre_classifier.weight', 'classifier.bias']],
    [electra, ['discriminator_predictions.dense.weight', 'generator_lm_head.bias', 'classifier.dense.bias']],
  ] as const)('may hold the heads of other tasks: $0.name', (family, ignored) => {
    for (const name of ignored) expect(family.ignoredTensors?.test(name), name).toBe(true);
    for (const name of ['encoder.layer.0.output.dense.weight', 'embeddings.word_embeddings.weight', 'extra.weight']) {
      expect(family.ignoredTensors?.test(name), name).toBe(false);
    }
  });
});
