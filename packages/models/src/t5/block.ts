import type { AttentionCall, ModelBuilder, Named, SiteFunction, Tensor } from '@tunesmith/core';
import { mergeHeads, splitHeads } from '../attention/attention-heads.js';
import type { Present } from '../experts/mix-experts.js';
import type { T5Config } from './config.js';
import { buildFeedForward, buildSparseFeedForward } from './feed-forward.js';

/** What a block needs of its stack: what is added to the scores of its own text's tokens, and by distance. */
interface OwnText extends Named<Tensor> {
  readonly bias: Tensor;
  readonly byDistance: Tensor;
}

/** What a decoder's block needs of the source: the mask over it, and where no cache has its keys, what the encoder gave. */
interface Source extends Named<Tensor> {
  readonly mask: Tensor;
}

export type EncoderBlock = SiteFunction<'block', [OwnText, Present]>;
export type DecoderBlock = SiteFunction<'block', [OwnText, Source, Present]>;

/** Pre-norm sublayers around a stream: layer_norm, the module, and the sum, as `layer.<index>` has them. */
function buildLayer<Context extends readonly Named<Tensor>[]>(
  layer: ModelBuilder,
  { hiddenSize: features, epsilon }: T5Config,
  role: 'attention' | 'attention.cross' | 'mlp',
  build: (layer: ModelBuilder) => SiteFunction<'sublayer', Context>,
): SiteFunction<'block', Context> {
  const norm = layer.norm('layer_norm', { kind: 'rms', features, epsilon });
  const sublayer = build(layer);
  const add = layer.residual('', { role, features });
  return (t, x, ...context) => add(t, x, sublayer(t, norm(t, x), ...context));
}

function buildProjections(inside: ModelBuilder, { hiddenSize, heads, headDim }: T5Config) {
  const inner = heads * headDim;
  const into = { inFeatures: hiddenSize, outFeatures: inner };
  return {
    query: inside.linear('q', { ...into, role: 'attention.query' }),
    key: inside.linear('k', { ...into, role: 'attention.key' }),
    value: inside.linear('v', { ...into, role: 'attention.value' }),
    output: inside.linear('o', { role: 'attention.output', inFeatures: inner, outFeatures: hiddenSize }),
  };
}

/** Attention of a text's tokens to each other. The products are not scaled: T5's queries start that much smaller. */
function buildSelfAttention(
  layer: ModelBuilder,
  config: T5Config,
  of: 'tokens' | 'source',
): SiteFunction<'sublayer', [OwnText]> {
  const { hiddenSize: features, heads, headDim } = config;
  const { query, key, value, output } = buildProjections(layer.child('SelfAttention'), config);
  const shape = { heads, keyHeads: heads, headDim, scale: 1 };
  const attend = layer.attention('SelfAttention', { ...shape, causal: of === 'tokens', of });
  return layer.sublayer<[OwnText]>('SelfAttention', { role: 'attention', features }, (t, x, own) => {
    const split = (projected: Tensor): Tensor => splitHeads(projected, headDim); // [batch, heads, seq, headDim]
    const call: AttentionCall = { query: split(query(t, x)), key: split(key(t, x)), value: split(value(t, x)), ...own };
    return output(t, mergeHeads(attend(t, call)));
  });
}

function buildCrossAttention(layer: ModelBuilder, config: T5Config): SiteFunction<'sublayer', [Source]> {
  const { hiddenSize: features, heads, headDim } = config;
  const { query, key, value, output } = buildProjections(layer.child('EncDecAttention'), config);
  const attend = layer.crossAttention('EncDecAttention', { heads, keyHeads: heads, headDim, scale: 1 });
  return layer.sublayer<[Source]>('EncDecAttention', { role: 'attention.cross', features }, (t, x, source) => {
    const { mask, encoded } = source;
    const split = (projected: Tensor): Tensor => splitHeads(projected, headDim);
    const keys = () => ({ key: split(key(t, encoded as Tensor)), value: split(value(t, encoded as Tensor)) });
    return output(t, mergeHeads(attend(t, split(query(t, x)), keys, mask)));
  });
}

function buildMlp(layer: ModelBuilder, config: T5Config, isSparse: boolean): SiteFunction<'block', [Present]> {
  const { experts } = config;
  return buildLayer(layer, config, 'mlp', (inside) =>
    isSparse && experts !== undefined
      ? buildSparseFeedForward(inside, config, experts.routing)
      : buildFeedForward(inside, config),
  );
}

/** `[batch, source, hidden]`: every token sees every other. */
export function buildEncoderBlock(block: ModelBuilder, config: T5Config, isSparse: boolean): EncoderBlock {
  const attention = buildLayer(block.child('layer.0'), config, 'attention', (layer) =>
    buildSelfAttention(layer, config, 'source'),
  );
  const mlp = buildMlp(block.child('layer.1'), config, isSparse);
  return block.block<[OwnText, Present]>({ role: 'block', features: config.hiddenSize }, (t, x, own, tokens) =>
    mlp(t, attention(t, x, own), tokens),
  );
}

/** `[batch, seq, hidden]`: a token sees those before it, and all of the source. */
export function buildDecoderBlock(block: ModelBuilder, config: T5Config, isSparse: boolean): DecoderBlock {
  const attention = buildLayer(block.child('layer.0'), config, 'attention', (layer) =>
    buildSelfAttention(layer, config, 'tokens'),
  );
  const cross = buildLayer(block.child('layer.1'), config, 'attention.cross', (layer) =>
    buildCrossAttention(layer, config),
  );
  const mlp = buildMlp(block.child('layer.2'), config, isSparse);
  return block.block<[OwnText, Source, Present]>(
    { role: 'block', features: config.hiddenSize },
    (t, x, own, source, tokens) => mlp(t, cross(t, attention(t, x, own), source), tokens),
  );
}
