import {
  type ModelBuilder,
  type ModelShape,
  presentTokens,
  rotary,
  rotaryTable,
  type SiteFunction,
  swiGlu,
  type TaskHead,
  type TaskModel,
  type Tensor,
} from '@tunesmith/core';
import { mergeHeads, splitHeads } from '../attention/attention-heads.js';
import type { Present } from '../experts/mix-experts.js';
import { reportRouters } from '../experts/report-routers.js';
import type { DecoderConfig } from './decoder-config.js';
import { buildExperts } from './decoder-experts.js';
import { buildDecoderHead } from './decoder-head.js';
import { inverseFrequencies } from './rotary-scaling.js';

/** The angles of a run's positions, cosine and sine [batch or 1, 1, seq, headDim / 2]. */
type RotaryTable = ReturnType<typeof rotaryTable>;
/** A site whose body needs the run's rotary angles. */
type Rotated = SiteFunction<'sublayer', [RotaryTable]>;

export function describeDecoder(config: DecoderConfig): ModelShape {
  const { vocabularySize, hiddenSize, layers, maxPositions } = config;
  return { vocabularySize, hiddenSize, layers, maxPositions };
}

/**
 * A decoder of pre-norm blocks with rotary positions and gated feed-forward layers (Touvron et al. 2023;
 * transformers/models/llama/modeling_llama.py), written over sites that bear its module names.
 */
export function buildDecoder(builder: ModelBuilder, config: DecoderConfig, task: TaskHead, trunk: string): TaskModel {
  const { vocabularySize, hiddenSize, epsilon, layers, experts } = config;
  const model = builder.child(trunk);
  const embed = model.embedding('embed_tokens', {
    role: 'embedding.token',
    rows: vocabularySize,
    features: hiddenSize,
  });
  const blocks = Array.from({ length: layers }, (_, depth) =>
    buildBlock(model.child(`layers.${depth}`, depth), config, config.windows[depth] ?? null),
  );
  const norm = model.norm('norm', { kind: 'rms', features: hiddenSize, epsilon });
  const frequencies = inverseFrequencies(config.rotary, config.headDim);
  return {
    ...buildDecoderHead(builder, config, task, embed.weight),
    hidden(t, columns) {
      const angles = rotaryTable(columns.positions, frequencies);
      const run = (tokens: Present): Tensor =>
        blocks.reduce((x, block) => block(t, x, angles, tokens), embed(t, columns.ids)); // [batch, seq, hidden]
      if (experts === undefined) return norm(t, run({}));
      const present = presentTokens(columns);
      return norm(
        t,
        reportRouters(t, { name: 'experts', ...experts }, present, () => run({ present })),
      );
    },
  };
}

function buildBlock(
  block: ModelBuilder,
  config: DecoderConfig,
  window: number | null,
): SiteFunction<'block', [RotaryTable, Present]> {
  const { hiddenSize, epsilon } = config;
  const norm = { kind: 'rms', features: hiddenSize, epsilon } as const;
  const attentionNorm = block.norm('input_layernorm', norm);
  const attention = buildAttention(block, config, window);
  const addAttention = block.residual('self_attn', { role: 'attention', features: hiddenSize });
  const mlpNorm = block.norm('post_attention_layernorm', norm);
  const { experts } = config;
  const mlp = experts === undefined ? buildMlp(block, config) : buildExperts(block, { ...config, ...experts });
  const mlpName = experts === undefined ? 'mlp' : 'block_sparse_moe';
  const addMlp = block.residual(mlpName, { role: 'mlp', features: hiddenSize });
  return block.block<[RotaryTable, Present]>({ role: 'block', features: hiddenSize }, (t, x, angles, tokens) => {
    const attended = addAttention(t, x, attention(t, attentionNorm(t, x), angles));
    return addMlp(t, attended, mlp(t, mlpNorm(t, attended), tokens));
  });
}

function buildAttention(block: ModelBuilder, config: DecoderConfig, window: number | null): Rotated {
  const { hiddenSize, heads, keyHeads, headDim, bias, queryKeyNorm, epsilon } = config;
  const inside = block.child('self_attn');
  const inProjection = { inFeatures: hiddenSize, bias: bias.queryKeyValue };
  const keyFeatures = keyHeads * headDim;
  const query = inside.linear('q_proj', { ...inProjection, role: 'attention.query', outFeatures: heads * headDim });
  const key = inside.linear('k_proj', { ...inProjection, role: 'attention.key', outFeatures: keyFeatures });
  const value = inside.linear('v_proj', { ...inProjection, role: 'attention.value', outFeatures: keyFeatures });
  const output = inside.linear('o_proj', {
    role: 'attention.output',
    inFeatures: heads * headDim,
    outFeatures: hiddenSize,
    bias: bias.output,
  });
  const norm = { kind: 'rms', features: headDim, epsilon } as const;
  const queryNorm = queryKeyNorm ? inside.norm('q_norm', norm) : undefined;
  const keyNorm = queryKeyNorm ? inside.norm('k_norm', norm) : undefined;
  const attend = block.attention('self_attn', {
    heads,
    keyHeads,
    headDim,
    causal: true,
    ...(window === null ? {} : { window }),
  });
  return block.sublayer<[RotaryTable]>('self_attn', { role: 'attention', features: hiddenSize }, (t, x, angles) => {
    const rotated = (projected: Tensor, headNorm: typeof queryNorm): Tensor => {
      const normed = headNorm === undefined ? undefined : (each: Tensor) => headNorm(t, each);
      return rotary(splitHeads(projected, headDim, normed), angles.cosine, angles.sine);
    };
    const attended = attend(t, {
      query: rotated(query(t, x), queryNorm), // [batch, heads, seq, headDim]
      key: rotated(key(t, x), keyNorm), // [batch, keyHeads, seq, headDim]
      value: splitHeads(value(t, x), headDim), // [batch, keyHeads, seq, headDim]
    });
    return output(t, mergeHeads(attended));
  });
}

function buildMlp(block: ModelBuilder, config: DecoderConfig): SiteFunction<'sublayer', [Present]> {
  const { hiddenSize, intermediateSize, bias } = config;
  const inside = block.child('mlp');
  const wide = { inFeatures: hiddenSize, outFeatures: intermediateSize, bias: bias.mlp };
  const gate = inside.linear('gate_proj', { ...wide, role: 'mlp.gate' });
  const up = inside.linear('up_proj', { ...wide, role: 'mlp.up' });
  // The site is what `down_proj` reads, silu(gate) · up, as in families without a gate; the product is one fused op.
  const activation = inside.activation('act_fn', { role: 'mlp.activation', features: intermediateSize }, (x) => x);
  const down = inside.linear('down_proj', {
    role: 'mlp.down',
    inFeatures: intermediateSize,
    outFeatures: hiddenSize,
    bias: bias.mlp,
  });
  return block.sublayer<[Present]>('mlp', { role: 'mlp', features: hiddenSize }, (t, x) =>
    down(t, activation(t, swiGlu(gate(t, x), up(t, x)))),
  );
}
