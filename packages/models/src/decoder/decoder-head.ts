import {
  type Handle,
  type ModelBuilder,
  normal,
  type TaskHead,
  type TaskModel,
  type Tensor,
  tf,
} from '@tunesmith/core';
import { buildAnswerHead } from '../encoder/encoder-heads.js';

/** What a head needs to know of its decoder. */
export interface DecoderHeadOptions {
  readonly vocabularySize: number;
  readonly hiddenSize: number;
  readonly tiedEmbeddings: boolean;
  readonly initializerRange: number;
  /** What labels tokens: `score` if not said (transformers/modeling_layers.py, GenericForTokenClassification). */
  readonly tokenHead?: string;
}

/**
 * A decoder's head for a task: `lm_head` over the vocabulary, `score` at each sequence's last token
 * (transformers/modeling_layers.py, GenericForSequenceClassification), or a layer at every token.
 */
export function buildDecoderHead(
  builder: ModelBuilder,
  { vocabularySize, hiddenSize, tiedEmbeddings, initializerRange, tokenHead = 'score' }: DecoderHeadOptions,
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
  const labelling = {
    role: 'head' as const,
    inFeatures: hiddenSize,
    outFeatures: labels,
    init: normal(initializerRange),
  };
  if (task === 'question-answering') return buildAnswerHead(builder, { hiddenSize, initializerRange });
  if (task === 'token-classification') {
    return { headModule: tokenHead, head: builder.linear(tokenHead, { ...labelling, bias: true }) };
  }
  const score = builder.linear('score', labelling);
  const pool = (hidden: Tensor, last: Tensor): Tensor => tf.gather(tf.reshape(hidden, [-1, hiddenSize]), last as never);
  return { headModule: 'score', pool, classify: (t, hidden, last) => score(t, pool(hidden, last)) };
}

/** What decoders have heads for. */
export const decoderTasks = [
  'causal-lm',
  'sequence-classification',
  'token-classification',
  'question-answering',
  'embedding',
] as const;
