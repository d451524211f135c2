import { type Handle, type ModelBuilder, normal, type TaskModel, type Tensor, tf } from '@tunesmith/core';
import { encoderActivations } from './encoder-block.js';
import type { EncoderConfig } from './encoder-config.js';
import type { EncoderLayout } from './encoder-layout.js';

/** out(norm(act(dense(h)))) over the vocabulary, whose weight is mostly the token embedding's. */
export function buildMaskedHead(
  builder: ModelBuilder,
  config: EncoderConfig,
  { masked }: EncoderLayout,
  embedding: Handle,
): Pick<TaskModel, 'head' | 'transform'> {
  const { hiddenSize, embeddingSize, vocabularySize, epsilon, tiedEmbeddings, initializerRange } = config;
  const init = normal(initializerRange);
  const dense = builder.linear(masked.dense, {
    role: 'head.transform',
    inFeatures: hiddenSize,
    outFeatures: embeddingSize,
    bias: true,
    init,
  });
  const norm = builder.norm(masked.norm, { kind: 'layer', features: embeddingSize, epsilon, fresh: true });
  const head = builder.linear(masked.output, {
    role: 'head',
    inFeatures: embeddingSize,
    outFeatures: vocabularySize,
    bias: true,
    biasName: masked.bias,
    init,
    ...(tiedEmbeddings ? { tiedTo: embedding } : {}),
  });
  const activate = encoderActivations[masked.activation ?? config.activation];
  return { head, transform: (t, x) => norm(t, activate(dense(t, x))) };
}

/** out(act(dense(h₀))) of each sequence's first state h₀: `[batch, seq, hidden]` → `[batch, labels]`. */
export function buildSequenceHead(
  builder: ModelBuilder,
  { hiddenSize, initializerRange }: EncoderConfig,
  { sequence }: EncoderLayout,
  labels: number,
): Pick<TaskModel, 'classify' | 'pool' | 'headModule'> {
  const init = normal(initializerRange);
  const dense = builder.linear(sequence.dense, {
    role: sequence.role,
    inFeatures: hiddenSize,
    outFeatures: hiddenSize,
    bias: true,
    init,
  });
  const output = builder.linear(sequence.output, {
    role: 'head',
    inFeatures: hiddenSize,
    outFeatures: labels,
    bias: true,
    init,
  });
  const activate = sequence.activation === 'tanh' ? (x: Tensor) => tf.tanh(x) : encoderActivations[sequence.activation];
  return {
    headModule: 'classifier',
    pool: firstTokens,
    classify: (t, hidden) => output(t, activate(dense(t, firstTokens(hidden)))),
  };
}

/** One linear layer at each token: `[..., hidden]` → `[..., labels]` (BertForTokenClassification and its like). */
export function buildTokenHead(
  builder: ModelBuilder,
  { hiddenSize, initializerRange }: EncoderConfig,
  labels: number,
): Pick<TaskModel, 'head' | 'headModule'> {
  const head = builder.linear('classifier', {
    role: 'head',
    inFeatures: hiddenSize,
    outFeatures: labels,
    bias: true,
    init: normal(initializerRange),
  });
  return { headModule: 'classifier', head };
}

/** The logits of an answer's beginning and end at each token: `[..., hidden]` → `[..., 2]` (BertForQuestionAnswering and its like). */
export function buildAnswerHead(
  builder: ModelBuilder,
  { hiddenSize, initializerRange }: Pick<EncoderConfig, 'hiddenSize' | 'initializerRange'>,
): Pick<TaskModel, 'head' | 'headModule'> {
  const head = builder.linear('qa_outputs', {
    role: 'head',
    inFeatures: hiddenSize,
    outFeatures: 2,
    bias: true,
    init: normal(initializerRange),
  });
  return { headModule: 'qa_outputs', head };
}

/** `[batch, seq, hidden]` → `[batch, hidden]` */
function firstTokens(hidden: Tensor): Tensor {
  const [batch = 0, , features = 0] = hidden.shape;
  return tf.reshape(tf.slice(hidden, [0, 0, 0], [batch, 1, features]), [batch, features]);
}
