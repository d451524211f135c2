import { type Handle, type ModelBuilder, normal, type TaskHead, type TaskModel, tf } from '@tunesmith/core';
import { buildEmbeddings, firstTokens, throughBlocks } from '../encoder/encoder.js';
import { bertBlockNames, buildEncoderBlock, encoderActivations } from '../encoder/encoder-block.js';
import type { EncoderConfig } from '../encoder/encoder-config.js';

/** BERT (Devlin et al. 2018; transformers/models/bert/modeling_bert.py), with a head for masked tokens or for sequences. */
export function buildBert(builder: ModelBuilder, config: EncoderConfig, { task, labels }: TaskHead): TaskModel {
  const model = builder.child('bert');
  const { embed, weight } = buildEmbeddings(model, { ...config, features: config.hiddenSize });
  const encode = throughBlocks(
    Array.from({ length: config.layers }, (_, depth) =>
      buildEncoderBlock(model.child(`encoder.layer.${depth}`, depth), config, bertBlockNames),
    ),
  );
  const heads = {
    embedding: () => ({}),
    'causal-lm': () => ({}),
    'masked-lm': () => maskedLanguageHead(builder, config, weight),
    'sequence-classification': () => classifier(builder, model, config, labels),
  };
  return { hidden: (t, columns) => encode(t, embed(t, columns)), ...heads[task]() };
}

/** softmax(Wₑ · norm(act(W·h + b)) + c) over the vocabulary, Wₑ being the token embedding (BertLMPredictionHead). */
function maskedLanguageHead(
  builder: ModelBuilder,
  { hiddenSize: features, vocabularySize, epsilon, activation, tiedEmbeddings, initializerRange }: EncoderConfig,
  embedding: Handle,
): Pick<TaskModel, 'head' | 'transform'> {
  const inside = builder.child('cls.predictions');
  const init = normal(initializerRange);
  const dense = inside.linear('transform.dense', {
    role: 'head.transform',
    inFeatures: features,
    outFeatures: features,
    bias: true,
    init,
  });
  const norm = inside.norm('transform.LayerNorm', { kind: 'layer', features, epsilon, fresh: true });
  const head = inside.linear('decoder', {
    role: 'head',
    inFeatures: features,
    outFeatures: vocabularySize,
    bias: true,
    biasName: 'bias',
    init,
    ...(tiedEmbeddings ? { tiedTo: embedding } : {}),
  });
  return { head, transform: (t, x) => norm(t, encoderActivations[activation](dense(t, x))) };
}

/** W · tanh(Wₚ · h₀ + bₚ) + b of the first token's state h₀ (BertPooler, BertForSequenceClassification). */
function classifier(
  builder: ModelBuilder,
  model: ModelBuilder,
  { hiddenSize, initializerRange }: EncoderConfig,
  labels: number,
): Pick<TaskModel, 'classify' | 'headModule'> {
  const init = normal(initializerRange);
  const pool = model.linear('pooler.dense', {
    role: 'pooler',
    inFeatures: hiddenSize,
    outFeatures: hiddenSize,
    bias: true,
    init,
  });
  const classify = builder.linear('classifier', {
    role: 'head',
    inFeatures: hiddenSize,
    outFeatures: labels,
    bias: true,
    init,
  });
  return {
    headModule: 'classifier',
    classify: (t, hidden) => classify(t, tf.tanh(pool(t, firstTokens(hidden)))),
  };
}
