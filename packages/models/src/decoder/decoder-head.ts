import { type Handle, type ModelBuilder, normal, type TaskHead, type TaskModel, tf } from '@tunesmith/core';

/** What a head needs to know of its decoder. */
export interface DecoderHeadOptions {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly tiedEmbeddings: boolean;
  readonly initializerRange: number;
}

/**
 * A decoder's head for a task: `lm_head` over the vocabulary, or `score` at each sequence's last token
 * (transformers/modeling_layers.py, GenericForSequenceClassification).
 */
export function buildDecoderHead(
  builder: ModelBuilder,
  { vocabularySize, hiddenSize, tiedEmbeddings, initializerRange }: DecoderHeadOptions,
  { task, labels }: TaskHead,
  embedding: Handle,
): Pick<TaskModel, 'head' | 'classify' | 'headModule'> {
  if (task === 'embedding') return {};
  if (task === 'causal-lm') {
    const tied = tiedEmbeddings ? { tiedTo: embedding } : {};
    return {
      head: builder.linear('lm_head', { role: 'head', inFeatures: hiddenSize, outFeatures: vocabularySize, ...tied }),
    };
  }
  const score = builder.linear('score', {
    role: 'head',
    inFeatures: hiddenSize,
    outFeatures: labels,
    init: normal(initializerRange),
  });
  return {
    headModule: 'score',
    classify: (t, hidden, last) => score(t, tf.gather(tf.reshape(hidden, [-1, hiddenSize]), last as never)),
  };
}

/** What decoders have heads for. */
export const decoderTasks = ['causal-lm', 'sequence-classification', 'embedding'] as const;
