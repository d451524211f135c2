import {
  gelu,
  geluTanh,
  type ModelBuilder,
  type SiteFunction,
  type Slice,
  silu,
  type TaskHead,
  type TaskModel,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { mergeHeads, splitHeads } from '../attention/attention-heads.js';
import { buildDecoderHead } from '../decoder/decoder-head.js';
import type { Gpt2Activation, Gpt2Config } from './config.js';

const activations: Record<Gpt2Activation, (x: Tensor) => Tensor> = {
  gelu_new: geluTanh,
  gelu_pytorch_tanh: geluTanh,
  gelu,
  relu: (x) => tf.relu(x),
  silu,
};

/**
 * GPT-2 (Radford et al. 2019; transformers/models/gpt2/modeling_gpt2.py): pre-norm blocks, learned positions, one
 * projection for query, key and value. Its linear weights lie `[in, out]`, as `Conv1D` has them.
 */
export function buildGpt2(builder: ModelBuilder, config: Gpt2Config, task: TaskHead): TaskModel {
  const { vocabularySize, hiddenSize: features, maxPositions, layers, epsilon } = config;
  const model = builder.child('transformer');
  const embed = model.embedding('wte', { role: 'embedding.token', rows: vocabularySize, features });
  const embedPosition = model.embedding('wpe', { role: 'embedding.position', rows: maxPositions, features });
  const blocks = Array.from({ length: layers }, (_, depth) => buildBlock(model.child(`h.${depth}`, depth), config));
  const norm = model.norm('ln_f', { kind: 'layer', features, epsilon });
  return {
    ...buildDecoderHead(builder, { ...config, tokenHead: 'classifier' }, task, embed.weight),
    hidden(t, { ids, positions }) {
      const embedded = tf.add(embed(t, ids), embedPosition(t, positions)); // [batch, seq, hidden]
      return norm(
        t,
        blocks.reduce((x, block) => block(t, x), embedded),
      );
    },
  };
}

function buildBlock(block: ModelBuilder, config: Gpt2Config): SiteFunction<'block'> {
  const { hiddenSize: features, epsilon } = config;
  const norm = { kind: 'layer', features, epsilon } as const;
  const attentionNorm = block.norm('ln_1', norm);
  const attention = buildAttention(block, config);
  const addAttention = block.residual('attn', { role: 'attention', features });
  const mlpNorm = block.norm('ln_2', norm);
  const mlp = buildMlp(block, config);
  const addMlp = block.residual('mlp', { role: 'mlp', features });
  return block.block({ role: 'block', features }, (t, x) => {
    const attended = addAttention(t, x, attention(t, attentionNorm(t, x)));
    return addMlp(t, attended, mlp(t, mlpNorm(t, attended)));
  });
}

function buildAttention(block: ModelBuilder, { hiddenSize: features, heads }: Gpt2Config): SiteFunction<'sublayer'> {
  const inside = block.child('attn');
  const headDim = features / heads;
  const roles = ['attention.query', 'attention.key', 'attention.value'] as const;
  const fused = inside.linear('c_attn', {
    role: 'attention.qkv',
    inFeatures: features,
    outFeatures: 3 * features,
    bias: true,
    layout: 'in-out',
    slices: roles.map((role, part): Slice => ({ role, start: part * features, size: features })),
  });
  const output = inside.linear('c_proj', {
    role: 'attention.output',
    inFeatures: features,
    outFeatures: features,
    bias: true,
    layout: 'in-out',
  });
  const attend = block.attention('attn', { heads, keyHeads: heads, headDim, causal: true });
  return block.sublayer('attn', { role: 'attention', features }, (t, x) => {
    const parts = tf.split(fused(t, x), 3, -1); // each [batch, seq, hidden]
    const [query, key, value] = parts.map((part) => splitHeads(part, headDim)) as [Tensor, Tensor, Tensor];
    return output(t, mergeHeads(attend(t, { query, key, value })));
  });
}

function buildMlp(block: ModelBuilder, { hiddenSize, innerSize, activation }: Gpt2Config): SiteFunction<'sublayer'> {
  const inside = block.child('mlp');
  const up = inside.linear('c_fc', {
    role: 'mlp.up',
    inFeatures: hiddenSize,
    outFeatures: innerSize,
    bias: true,
    layout: 'in-out',
  });
  const activate = inside.activation('act', { role: 'mlp.activation', features: innerSize }, activations[activation]);
  const down = inside.linear('c_proj', {
    role: 'mlp.down',
    inFeatures: innerSize,
    outFeatures: hiddenSize,
    bias: true,
    layout: 'in-out',
  });
  return block.sublayer('mlp', { role: 'mlp', features: hiddenSize }, (t, x) => down(t, activate(t, up(t, x))));
}
