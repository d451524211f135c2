import {
  attentionMask,
  distanceBias,
  type ModelBuilder,
  type ModelShape,
  ownDistances,
  presentTokens,
  type SourceColumns,
  type TaskModel,
  type Tensor,
  type Trace,
  TunesmithError,
  tf,
} from '@tunesmith/core';
import type { Present } from '../experts/mix-experts.js';
import { reportRouters } from '../experts/report-routers.js';
import { buildDecoderBlock, buildEncoderBlock } from './block.js';
import type { T5Config } from './config.js';
import { buildRelativePositions } from './relative-positions.js';

export function describeT5(config: T5Config): ModelShape {
  const { vocabularySize, hiddenSize, encoderLayers, decoderLayers, answerStart } = config;
  const layers = encoderLayers + decoderLayers;
  return { vocabularySize, hiddenSize, layers, maxPositions: Number.POSITIVE_INFINITY, answerStart };
}

/**
 * T5 (Raffel et al. 2020; transformers/models/t5/modeling_t5.py): an encoder and a decoder of pre-norm blocks without
 * biases, whose positions are what the distance of query and key adds to their score. The decoder's blocks come after the
 * encoder's in depth.
 */
export function buildT5(builder: ModelBuilder, config: T5Config): TaskModel {
  const { vocabularySize, hiddenSize, encoderLayers, decoderLayers, heads, epsilon, tiedHead, experts } = config;
  const embed = builder.embedding('shared', { role: 'embedding.token', rows: vocabularySize, features: hiddenSize });
  const stack = (name: string, layers: number, depthBefore: number) => {
    const own = builder.child(name);
    const blocks = Array.from({ length: layers }, (_, index) => own.child(`block.${index}`, depthBefore + index));
    const table = blocks[0]?.child('layer.0.SelfAttention') as ModelBuilder;
    const { buckets, maxDistance } = config;
    const relative = { buckets, maxDistance, heads, bothWays: name === 'encoder' };
    return { own, blocks, byDistance: buildRelativePositions(table, relative) };
  };
  const encoder = stack('encoder', encoderLayers, 0);
  const encoderBlocks = encoder.blocks.map((block, index) =>
    buildEncoderBlock(block, config, experts?.encoder[index] === true),
  );
  const encoderNorm = encoder.own.norm('final_layer_norm', { kind: 'rms', features: hiddenSize, epsilon });
  const decoder = stack('decoder', decoderLayers, encoderLayers);
  const decoderBlocks = decoder.blocks.map((block, index) =>
    buildDecoderBlock(block, config, experts?.decoder[index] === true),
  );
  const decoderNorm = decoder.own.norm('final_layer_norm', { kind: 'rms', features: hiddenSize, epsilon });

  /** Runs a stack's blocks, and reports its routers where it has any. */
  const withRouters = (t: Trace, name: string, there: () => Tensor, run: (tokens: Present) => Tensor): Tensor => {
    if (experts === undefined) return run({});
    const present = there();
    return reportRouters(t, { name, ...experts }, present, () => run({ present }));
  };

  const encode = (t: Trace, ids: Tensor, segments: Tensor): Tensor => {
    const byDistance = encoder.byDistance(t);
    const distances = ownDistances(ids.shape[1] as number);
    const bias = tf.add(distanceBias(byDistance, distances), attentionMask(segments, segments)); // [batch, heads, s, s]
    const run = (tokens: Present): Tensor =>
      encoderBlocks.reduce((x, block) => block(t, x, { bias, byDistance }, tokens), embed(t, ids));
    const stream = withRouters(t, 'encoder.experts', () => tf.cast(segments, 'float32'), run);
    return encoderNorm(t, stream); // [batch, source, hidden]
  };

  return {
    head: builder.linear('lm_head', {
      role: 'head',
      inFeatures: hiddenSize,
      outFeatures: vocabularySize,
      ...(tiedHead ? { tiedTo: embed.weight } : {}),
    }),
    ...(tiedHead ? { transform: (_: Trace, x: Tensor) => tf.mul(x, hiddenSize ** -0.5) } : {}),
    hidden(t, columns) {
      const { ids, source = noSource() } = columns;
      const read = source.ids === undefined ? {} : { encoded: encode(t, source.ids, source.segments) };
      const seen = { mask: attentionMask(tf.onesLike(ids), source.segments), ...read }; // [batch, 1, seq, source]
      const byDistance = decoder.byDistance(t);
      const distances = t.cache?.distances?.() ?? ownDistances(ids.shape[1] as number);
      const own = { bias: distanceBias(byDistance, distances), byDistance };
      const run = (tokens: Present): Tensor =>
        decoderBlocks.reduce((x, block) => block(t, x, own, seen, tokens), embed(t, ids));
      const stream = withRouters(t, 'decoder.experts', () => presentTokens(columns), run);
      return decoderNorm(t, stream); // [batch, seq, hidden]
    },
  };
}

function noSource(): SourceColumns {
  throw new TunesmithError('DATA_INVALID', 'an encoder-decoder has nothing to read', {
    expected: 'rows with a source, as the objective seq2seq collates them',
    hint: 'This objective is for models that read prompt and answer as one text.',
  });
}
