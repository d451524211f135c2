import {
  type Handle,
  type ModelBuilder,
  normal,
  type TaskHead,
  type TaskModel,
  type Tensor,
  tf,
} from '@tunesmith/core';

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
): Pick<TaskModel, 'head' | 'classify' | 'pool' | 'headModule'> {
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
  const pool = (hidden: Tensor, last: Tensor): Tensor => tf.gather(tf.reshape(hidden, [-1, hiddenSize]), last as never);
  return { headModule: 'score', pool, classify: (t, hidden, last) => score(t, pool(hidden, last)) };
}

/** What decoders have heads for. */
export const decoderTasks = ['causal-lm', 'sequence-classification', 'embedding'] as const;
